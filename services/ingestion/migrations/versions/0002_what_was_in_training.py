"""Patterns remember whether they were ever in the training part of a snapshot."""

import sqlalchemy as sa
from alembic import op

from services.ingestion.campaigns import campaign_name
from services.ingestion.reports import is_held_out

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

patterns = sa.table("patterns", sa.column("fingerprint"), sa.column("campaign"), sa.column("in_training"))
reports = sa.table("reports", sa.column("fingerprint"), sa.column("category"))
snapshots = sa.table("snapshots", sa.column("id"))


def upgrade() -> None:
    op.add_column("patterns", sa.Column("in_training", sa.Boolean(), server_default=sa.false(), nullable=False))
    remember_training()
    op.drop_index("ix_patterns_campaign", "patterns")
    op.create_index("ix_patterns_campaign_in_training", "patterns", ["campaign", "in_training"])


def remember_training() -> None:
    """Marks what a snapshot of today would give to learn from, if there was any snapshot."""
    connection = op.get_bind()
    if connection.execute(sa.select(snapshots.c.id).limit(1)).first() is None:
        return
    labelled = sa.select(patterns.c.campaign).distinct().join(reports, reports.c.fingerprint == patterns.c.fingerprint)
    found = connection.scalars(labelled.where(reports.c.category.is_not(None))).all()
    learned = [{"learned": campaign} for campaign in found if not is_held_out(campaign_name(campaign))]
    if learned:
        is_one = patterns.c.campaign == sa.bindparam("learned")
        connection.execute(sa.update(patterns).where(is_one).values(in_training=True), learned)


def downgrade() -> None:
    op.drop_index("ix_patterns_campaign_in_training", "patterns")
    op.create_index(op.f("ix_patterns_campaign"), "patterns", ["campaign"])
    op.drop_column("patterns", "in_training")
