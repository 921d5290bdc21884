"""Sources, reports and their labels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, func, insert, select, update
from sqlalchemy.orm import Session

from services.ingestion.campaigns import Shape
from services.ingestion.grouping import Placed
from services.ingestion.reports import NewReport, Sender, SenderKind, SourceKind, SourceKindError, Status
from services.ingestion.store.campaigns import place, take_turns
from services.ingestion.store.statements import chunks, insert_unless_known, is_postgresql, table
from services.ingestion.store.tables import PatternRow, ReportRow, SourceRow

INSERT_REPORTS: Final = insert(table(ReportRow))
INSERT_REPORT: Final = INSERT_REPORTS.returning(ReportRow.number)


@dataclass(frozen=True)
class StoredReport:
    """A report as it lies in the database; `number` grows with every report."""

    number: int
    id: str
    text: str
    language: str
    sender: Sender | None
    received_at: datetime
    source: str
    on_behalf_of: str | None
    claimed_category: str | None
    claimed_topic: str | None
    category: str | None
    topic: str | None
    labelled_by: str | None
    labelled_at: datetime | None
    campaign: int | None
    created_at: datetime

    @property
    def status(self) -> Status:
        """How far the report has come."""
        return Status.RECEIVED if self.category is None else Status.VERIFIED


@dataclass(frozen=True)
class ReportFilter:
    """Which reports a moderator wants to see; None means any."""

    category: str | None = None
    status: Status | None = None
    source: str | None = None
    campaign: int | None = None
    contains: str | None = None


def register_source(session: Session, name: str, kind: SourceKind, weight: float | None = None) -> None:
    """Makes a source known, or sets its weight anew.

    Raises:
        SourceKindError: if it is known under another kind.
    """
    statement = insert_unless_known(is_postgresql(session), SourceRow)
    values = {"name": name, "kind": kind.value, "weight": 1.0 if weight is None else weight}
    if session.connection().execute(statement, values).first() is not None:
        return
    row = session.get_one(SourceRow, name)
    if row.kind != kind:
        raise SourceKindError(f"This source is known as {row.kind}. Name another source, or the same kind.")
    if weight is not None:
        row.weight = weight


def add_report(session: Session, report: NewReport, *, now: datetime) -> int:
    """Stores a report whose id is new, without a label and without a place in a campaign, and gives its number."""
    return session.connection().execute(INSERT_REPORT, _values(report, None, now, None)).scalar_one()


def add_reports(
    session: Session, reports: Sequence[NewReport], shapes: Sequence[Shape], *, now: datetime, by: str
) -> int:
    """Stores the reports that are not known yet, each in its campaign, and gives their number.

    Args:
        session: an open transaction.
        reports: masked and checked.
        shapes: the shape of each report's text.
        now: becomes created_at, and labelled_at of those with a label.
        by: who labelled those with a label.
    """
    take_turns(session)
    known = set(_known_ids(session, [report.id for report in reports]))
    placed: list[Placed] = []
    rows: list[dict[str, Any]] = []
    for report, shape in zip(reports, shapes, strict=True):
        if report.id not in known:
            known.add(report.id)
            placed.append(Placed(shape, report.source, report.hint))
            rows.append(_values(report, shape, now, by))
    if rows:
        place(session, placed)
        session.connection().execute(INSERT_REPORTS, rows)
    return len(rows)


def _known_ids(session: Session, ids: Sequence[str]) -> Iterator[str]:
    for part in chunks(ids):
        yield from session.scalars(select(ReportRow.id).where(ReportRow.id.in_(part)))


def _values(report: NewReport, shape: Shape | None, now: datetime, by: str | None) -> dict[str, Any]:
    is_labelled = report.category is not None
    return {
        "id": report.id,
        "text": report.text,
        "language": report.language,
        "sender_kind": report.sender.kind.value if report.sender else None,
        "sender": report.sender.value if report.sender else None,
        "received_at": report.received_at,
        "source": report.source,
        "reporter": report.reporter,
        "on_behalf_of": report.on_behalf_of,
        "claimed_category": report.claimed_category,
        "claimed_topic": report.claimed_topic,
        "category": report.category,
        "topic": report.topic,
        "labelled_by": by if is_labelled else None,
        "labelled_at": now if is_labelled else None,
        "fingerprint": shape.fingerprint if shape else None,
        "created_at": now,
    }


def _reports() -> Select[ReportRow, int | None]:
    return select(ReportRow, PatternRow.campaign).outerjoin(PatternRow, PatternRow.fingerprint == ReportRow.fingerprint)


def _stored(row: ReportRow, campaign: int | None) -> StoredReport:
    return StoredReport(
        number=row.number,
        id=row.id,
        text=row.text,
        language=row.language,
        sender=Sender(SenderKind(row.sender_kind), row.sender) if row.sender and row.sender_kind else None,
        received_at=row.received_at,
        source=row.source,
        on_behalf_of=row.on_behalf_of,
        claimed_category=row.claimed_category,
        claimed_topic=row.claimed_topic,
        category=row.category,
        topic=row.topic,
        labelled_by=row.labelled_by,
        labelled_at=row.labelled_at,
        campaign=campaign,
        created_at=row.created_at,
    )


def find_report(session: Session, report_id: str) -> StoredReport | None:
    """Gives a report, or None."""
    found = session.execute(_reports().where(ReportRow.id == report_id)).one_or_none()
    return _stored(*found) if found else None


def list_reports(session: Session, wanted: ReportFilter, limit: int, after: int | None) -> list[StoredReport]:
    """Gives reports, newest first.

    Args:
        session: an open transaction.
        wanted: which.
        limit: how many at most.
        after: number of the last report of the page before.
    """
    query = _reports().order_by(ReportRow.number.desc()).limit(limit)
    if wanted.category is not None:
        query = query.where(ReportRow.category == wanted.category)
    if wanted.status is not None:
        is_open = ReportRow.category.is_(None)
        query = query.where(is_open if wanted.status is Status.RECEIVED else ~is_open)
    if wanted.source is not None:
        query = query.where(ReportRow.source == wanted.source)
    if wanted.campaign is not None:
        query = query.where(PatternRow.campaign == wanted.campaign)
    if wanted.contains is not None:
        query = query.where(ReportRow.text.contains(wanted.contains, autoescape=True))
    if after is not None:
        query = query.where(ReportRow.number < after)
    return [_stored(row, campaign) for row, campaign in session.execute(query)]


def label_report(
    session: Session, report_id: str, category: str, topic: str | None, *, by: str, now: datetime
) -> StoredReport | None:
    """Sets the verified label of a report and gives the report, or None if there is none."""
    labelled = {"category": category, "topic": topic, "labelled_by": by, "labelled_at": now}
    session.execute(update(ReportRow).where(ReportRow.id == report_id).values(labelled))
    return find_report(session, report_id)


def count_labels(session: Session) -> int:
    """Gives the number of verified reports."""
    return session.scalar(select(func.count()).where(ReportRow.category.is_not(None))) or 0
