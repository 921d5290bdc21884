"""First tables."""

import sqlalchemy as sa
from alembic import op

from shared.database import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.INTEGER(), "sqlite")


sources = sa.table("sources", sa.column("name"), sa.column("kind"), sa.column("weight"))


def upgrade() -> None:
    op.create_table(
        "bands",
        sa.Column("key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("fingerprint", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("crowded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key", "fingerprint", name=op.f("pk_bands")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "campaigns",
        sa.Column("id", NUMBER, autoincrement=False, nullable=False),
        sa.Column("reports", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
    )
    op.create_index("ix_campaigns_reports_id", "campaigns", ["reports", "id"])
    op.create_table(
        "patterns",
        sa.Column("fingerprint", NUMBER, autoincrement=False, nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("campaign", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_patterns")),
    )
    op.create_index(op.f("ix_patterns_campaign"), "patterns", ["campaign"])
    op.create_table(
        "receipts",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("report_id", sa.String(32), nullable=False),
        sa.Column("secret_sha256", sa.String(64), nullable=False),
        sa.Column("salt", sa.String(64), nullable=False),
        sa.Column("key_sha256", sa.String(64), nullable=True),
        sa.Column("body_sha256", sa.String(64), nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("withdrawn_at", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
        sa.UniqueConstraint("key_sha256", name=op.f("uq_receipts_key_sha256")),
    )
    op.create_table(
        "snapshots",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("digest", sa.String(71), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("reports", sa.Integer(), nullable=False),
        sa.Column("held_out", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("by_category", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshots")),
        sa.UniqueConstraint("digest", name=op.f("uq_snapshots_digest")),
    )
    op.create_index(op.f("ix_snapshots_created_at"), "snapshots", ["created_at"])
    op.create_table(
        "sources",
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sources")),
    )
    op.create_table(
        "reports",
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("language", sa.String(10), nullable=False),
        sa.Column("sender_kind", sa.String(12), nullable=True),
        sa.Column("sender", sa.String(32), nullable=True),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("source", sa.String(60), nullable=False),
        sa.Column("reporter", sa.String(32), nullable=False),
        sa.Column("on_behalf_of", sa.String(10), nullable=True),
        sa.Column("claimed_category", sa.String(15), nullable=True),
        sa.Column("claimed_topic", sa.String(20), nullable=True),
        sa.Column("category", sa.String(15), nullable=True),
        sa.Column("topic", sa.String(20), nullable=True),
        sa.Column("labelled_by", sa.String(60), nullable=True),
        sa.Column("labelled_at", UtcDateTime(), nullable=True),
        sa.Column("fingerprint", NUMBER, nullable=True),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["fingerprint"], ["patterns.fingerprint"], name=op.f("fk_reports_fingerprint_patterns")
        ),
        sa.ForeignKeyConstraint(["source"], ["sources.name"], name=op.f("fk_reports_source_sources")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_reports")),
        sa.UniqueConstraint("id", name=op.f("uq_reports_id")),
    )
    op.create_index("ix_reports_category_number", "reports", ["category", "number"])
    op.create_index("ix_reports_fingerprint", "reports", ["fingerprint"])
    op.create_index("ix_reports_source_number", "reports", ["source", "number"])
    # Single reports come from this source, so that taking one in need not ask for it.
    op.bulk_insert(sources, [{"name": "phones", "kind": "community", "weight": 1.0}])


def downgrade() -> None:
    op.drop_table("reports")
    op.drop_table("sources")
    op.drop_table("snapshots")
    op.drop_table("receipts")
    op.drop_table("patterns")
    op.drop_table("campaigns")
    op.drop_table("bands")
