"""The tables of the ingestion service, as the rest of store/ reads and writes them and migrations/ makes them."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, MetaData, String, Text, false
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import JSON

from shared.database import NAMING_CONVENTION, UtcDateTime

Number = BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
"""Signed 64 bits; on SQLite the row's own key, which saves an index."""


class Tables(DeclarativeBase):
    """All tables of this service."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class SourceRow(Tables):
    """Where reports come from."""

    __tablename__ = "sources"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    weight: Mapped[float]
    """How much a report of this source weighs in a snapshot; 1 unless it is a corpus."""


class ReportRow(Tables):
    """A report: masked text, sender, and the label once there is one."""

    __tablename__ = "reports"

    number: Mapped[int] = mapped_column(Number, primary_key=True)
    """Grows with every report; lists are sorted by it."""
    id: Mapped[str] = mapped_column(String(32), unique=True)
    text: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(10))
    sender_kind: Mapped[str | None] = mapped_column(String(12))
    sender: Mapped[str | None] = mapped_column(String(32))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    source: Mapped[str] = mapped_column(ForeignKey("sources.name"))
    reporter: Mapped[str] = mapped_column(String(32))
    on_behalf_of: Mapped[str | None] = mapped_column(String(10))
    claimed_category: Mapped[str | None] = mapped_column(String(15))
    claimed_topic: Mapped[str | None] = mapped_column(String(20))
    category: Mapped[str | None] = mapped_column(String(15))
    topic: Mapped[str | None] = mapped_column(String(20))
    labelled_by: Mapped[str | None] = mapped_column(String(60))
    labelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    fingerprint: Mapped[int | None] = mapped_column(ForeignKey("patterns.fingerprint"))
    """Of the text; missing until the report is placed in its campaign."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        Index("ix_reports_category_number", "category", "number"),
        Index("ix_reports_source_number", "source", "number"),
        Index("ix_reports_fingerprint", "fingerprint"),
    )


class ReceiptRow(Tables):
    """What the owner of a single report shows to see it or withdraw it."""

    __tablename__ = "receipts"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    report_id: Mapped[str] = mapped_column(String(32))
    secret_sha256: Mapped[str] = mapped_column(String(64))
    salt: Mapped[str] = mapped_column(String(64))
    key_sha256: Mapped[str | None] = mapped_column(String(64), unique=True)
    body_sha256: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class PatternRow(Tables):
    """A text without its digits, or a source's own name of a campaign: what campaigns are made of."""

    __tablename__ = "patterns"

    fingerprint: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    signature: Mapped[bytes] = mapped_column(LargeBinary)
    """Empty for a source's name, and when no report has the text any more."""
    campaign: Mapped[int] = mapped_column(BigInteger)
    in_training: Mapped[bool] = mapped_column(server_default=false())
    """Whether a report of it was ever in the training part of a snapshot; never taken back."""

    __table_args__ = (Index("ix_patterns_campaign_in_training", "campaign", "in_training"),)


class BandRow(Tables):
    """Where near-copies meet."""

    __tablename__ = "bands"

    key: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    fingerprint: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    crowded: Mapped[bool]
    """Whether this row stands for a crowd, all of one campaign."""

    __table_args__ = ({"sqlite_with_rowid": False},)


class CampaignRow(Tables):
    """A campaign with at least one report."""

    __tablename__ = "campaigns"

    id: Mapped[int] = mapped_column(Number, primary_key=True, autoincrement=False)
    reports: Mapped[int]

    __table_args__ = (Index("ix_campaigns_reports_id", "reports", "id"),)


class SnapshotRow(Tables):
    """A snapshot whose file is complete."""

    __tablename__ = "snapshots"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    digest: Mapped[str] = mapped_column(String(71), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    reports: Mapped[int]
    held_out: Mapped[int]
    bytes: Mapped[int] = mapped_column(BigInteger)
    by_category: Mapped[dict[str, int]] = mapped_column(JSON)
