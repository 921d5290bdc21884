"""First tables."""

import sqlalchemy as sa
from alembic import op

from shared.database import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "releases",
        sa.Column("version", sa.String(24), nullable=False),
        sa.Column("run_id", sa.String(32), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("submitted_at", UtcDateTime(), nullable=False),
        sa.Column("submitted_by", sa.String(60), nullable=False),
        sa.Column("submission_sha256", sa.String(64), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("card", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("model_sha256", sa.String(64), nullable=False),
        sa.Column("model_length_bytes", sa.Integer(), nullable=False),
        sa.Column("withdrawn_at", UtcDateTime(), nullable=True),
        sa.Column("withdrawn_by", sa.String(60), nullable=True),
        sa.Column("withdrawn_reason", sa.String(500), nullable=True),
        sa.CheckConstraint("state IN ('accepted', 'refused', 'withdrawn')", name=op.f("ck_releases_state")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_releases")),
        sa.UniqueConstraint("run_id", name=op.f("uq_releases_run_id")),
    )
    op.create_index(op.f("ix_releases_submitted_at"), "releases", ["submitted_at"])
    op.create_table(
        "channel_events",
        sa.Column("channel", sa.String(30), nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("version", sa.String(24), nullable=True),
        sa.Column("percentage", sa.Integer(), nullable=True),
        sa.Column("approver", sa.String(60), nullable=False),
        sa.Column("reason", sa.String(500), nullable=True),
        sa.Column("release", sa.String(24), nullable=True),
        sa.Column("candidate", sa.String(24), nullable=True),
        sa.Column("candidate_percentage", sa.Integer(), nullable=False),
        sa.Column("former", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("channel", "sequence", name=op.f("pk_channel_events")),
        *(
            sa.ForeignKeyConstraint([name], ["releases.version"], name=op.f(f"fk_channel_events_{name}_releases"))
            for name in ("version", "release", "candidate")
        ),
    )


def downgrade() -> None:
    op.drop_table("channel_events")
    op.drop_table("releases")
