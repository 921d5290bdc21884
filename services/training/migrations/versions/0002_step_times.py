"""How long each step of a run took."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "step_times",
        sa.Column("run_id", sa.String(32), nullable=False),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name=op.f("fk_step_times_run_id_runs")),
        sa.PrimaryKeyConstraint("run_id", "step", name=op.f("pk_step_times")),
    )


def downgrade() -> None:
    op.drop_table("step_times")
