"""What goes into a snapshot, and the snapshots that there are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import Session, aliased

from services.ingestion.reports import SourceKind
from services.ingestion.store.statements import before, chunks, insert_unless_known, is_postgresql
from services.ingestion.store.tables import PatternRow, ReportRow, SnapshotRow, SourceRow


@dataclass(frozen=True)
class Snapshot:
    """A snapshot whose file is complete."""

    id: str
    digest: str
    created_at: datetime
    reports: int
    held_out: int
    bytes: int
    by_category: dict[str, int]


@dataclass(frozen=True, slots=True)
class VerifiedReport:
    """What of a verified report goes into a snapshot, or decides how.

    Attributes:
        pattern: fingerprint of the text.
        in_training: whether the pattern was in the training part of an earlier snapshot.
        campaign_in_training: whether any pattern of its campaign was.
    """

    id: str
    text: str
    category: str
    topic: str | None
    campaign: int
    source: str
    source_kind: SourceKind
    source_weight: float
    reporter: str
    language: str
    received_at: datetime
    pattern: int
    in_training: bool
    campaign_in_training: bool


def count_verified(session: Session) -> dict[str, int]:
    """Gives the number of verified reports of each category that has any."""
    query = select(ReportRow.category, func.count()).where(ReportRow.category.is_not(None)).group_by(ReportRow.category)
    return {category: count for category, count in session.execute(query) if category is not None}


def frequent_campaigns(session: Session, more_than: float) -> dict[int, int]:
    """Gives the number of verified reports of each campaign that has more than so many."""
    query = select(PatternRow.campaign, func.count()).join(ReportRow, ReportRow.fingerprint == PatternRow.fingerprint)
    query = query.where(ReportRow.category.is_not(None)).group_by(PatternRow.campaign)
    return dict(session.execute(query.having(func.count() > more_than)).all())


def frequent_reporters(session: Session, more_than: float) -> dict[str, int]:
    """Gives the number of verified reports of each reporter that has more than so many."""
    query = select(ReportRow.reporter, func.count()).where(ReportRow.category.is_not(None)).group_by(ReportRow.reporter)
    return dict(session.execute(query.having(func.count() > more_than)).all())


def read_verified(session: Session, at_once: int) -> Iterator[list[VerifiedReport]]:
    """Gives all verified reports in the order of their ids, some at a time, so that memory stays flat."""
    other = aliased(PatternRow)
    campaign_in_training = exists().where(other.campaign == PatternRow.campaign, other.in_training)
    query = (
        select(
            ReportRow.id, ReportRow.text, ReportRow.category, ReportRow.topic, PatternRow.campaign,
            ReportRow.source, SourceRow.kind, SourceRow.weight, ReportRow.reporter, ReportRow.language,
            ReportRow.received_at, PatternRow.fingerprint, PatternRow.in_training, campaign_in_training,
        )
        .join(PatternRow, PatternRow.fingerprint == ReportRow.fingerprint)
        .join(SourceRow, SourceRow.name == ReportRow.source)
        .where(ReportRow.category.is_not(None))
        .order_by(ReportRow.id)
    )  # fmt: skip
    for rows in session.execute(query, execution_options={"yield_per": at_once}).partitions():
        yield [
            VerifiedReport(report_id, text, category or "", topic, campaign, source, SourceKind(kind), *others)
            for report_id, text, category, topic, campaign, source, kind, *others in rows
        ]


def remember_training(session: Session, patterns: Sequence[int]) -> None:
    """Notes that a snapshot's training part holds reports of these patterns, so that no later one holds them out."""
    for part in chunks(sorted(patterns)):
        is_one = PatternRow.fingerprint.in_(part)
        session.connection().execute(update(PatternRow).where(is_one).values(in_training=True))


def add_snapshot(session: Session, snapshot: Snapshot) -> bool:
    """Stores a snapshot; False, and nothing stored, if its digest is known already."""
    statement = insert_unless_known(is_postgresql(session), SnapshotRow)
    return session.connection().execute(statement, vars(snapshot)).first() is not None


def freeze_again(session: Session, digest: str, at: datetime) -> Snapshot:
    """Makes a known snapshot the newest: the reports are again what they were then, for example after a withdrawal."""
    row = session.scalars(select(SnapshotRow).where(SnapshotRow.digest == digest)).one()
    row.created_at = at
    return _stored(row)


def find_snapshot(session: Session, *, snapshot_id: str | None = None, digest: str | None = None) -> Snapshot | None:
    """Gives a snapshot by id or digest, or the newest if neither is given; None if there is none."""
    query = select(SnapshotRow).order_by(SnapshotRow.created_at.desc(), SnapshotRow.id.desc()).limit(1)
    if snapshot_id is not None:
        query = query.where(SnapshotRow.id == snapshot_id)
    if digest is not None:
        query = query.where(SnapshotRow.digest == digest)
    row = session.scalar(query)
    return _stored(row) if row else None


def list_snapshots(session: Session, limit: int, after: tuple[datetime, str] | None) -> list[Snapshot]:
    """Gives snapshots, newest first."""
    query = select(SnapshotRow).order_by(SnapshotRow.created_at.desc(), SnapshotRow.id.desc()).limit(limit)
    if after is not None:
        query = query.where(before(SnapshotRow.created_at, SnapshotRow.id, after))
    return [_stored(row) for row in session.scalars(query)]


def _stored(row: SnapshotRow) -> Snapshot:
    return Snapshot(row.id, row.digest, row.created_at, row.reports, row.held_out, row.bytes, row.by_category)
