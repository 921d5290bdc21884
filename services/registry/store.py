"""The registry's tables, and the only SQL of the service.

A channel has no row of its own: its state is what its newest event left behind, so the history cannot disagree with it.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, MetaData, String, Text, func, select, tuple_
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from services.registry.releases import Channel, ChannelEventKind, ReleaseState
from shared.database import NAMING_CONVENTION, UtcDateTime


class Base(DeclarativeBase):
    """All tables of the registry."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class ReleaseRow(Base):
    """One submitted candidate and what became of it."""

    __tablename__ = "releases"
    __table_args__ = (CheckConstraint("state IN ('accepted', 'refused', 'withdrawn')", name="state"),)

    version: Mapped[str] = mapped_column(String(24), primary_key=True)
    run_id: Mapped[str] = mapped_column(String(32), unique=True)
    state: Mapped[str] = mapped_column(String(10))
    submitted_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    submitted_by: Mapped[str] = mapped_column(String(60))
    submission_sha256: Mapped[str] = mapped_column(String(64))
    reasons: Mapped[list[str]] = mapped_column(JSON)
    notes: Mapped[list[str]] = mapped_column(JSON)
    figures: Mapped[dict[str, float | None]] = mapped_column(JSON)
    card: Mapped[str] = mapped_column(Text)
    evidence: Mapped[str] = mapped_column(Text)
    model_sha256: Mapped[str] = mapped_column(String(64))
    model_length_bytes: Mapped[int]
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    withdrawn_by: Mapped[str | None] = mapped_column(String(60))
    withdrawn_reason: Mapped[str | None] = mapped_column(String(500))


class ChannelEventRow(Base):
    """One thing that happened to a channel, and what the channel offers since."""

    __tablename__ = "channel_events"

    channel: Mapped[str] = mapped_column(String(30), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    kind: Mapped[str] = mapped_column(String(10))
    version: Mapped[str | None] = mapped_column(ForeignKey("releases.version"))
    percentage: Mapped[int | None]
    approver: Mapped[str] = mapped_column(String(60))
    reason: Mapped[str | None] = mapped_column(String(500))
    release: Mapped[str | None] = mapped_column(ForeignKey("releases.version"))
    candidate: Mapped[str | None] = mapped_column(ForeignKey("releases.version"))
    candidate_percentage: Mapped[int]
    former: Mapped[list[str]] = mapped_column(JSON)


@dataclass(frozen=True)
class Release:
    """A candidate as it was submitted and judged.

    Args:
        version: names the release.
        run_id: the training run that made it.
        state: what may be done with it.
        submitted_at: when it came.
        submitted_by: name of the key that it came with.
        submission_sha256: digest over everything that was submitted, to know a repetition.
        reasons: why the gate refused it.
        notes: what the gate could not judge.
        figures: rates by name.
        card: the exact text of the release card.
        evidence: the exact text of the evidence.
        model_sha256: hexadecimal digest of the compressed model.
        model_length_bytes: length of the compressed model.
        withdrawn_at: when it was taken back.
        withdrawn_by: name of the key that took it back.
        withdrawn_reason: why, in the operator's words.
    """

    version: str
    run_id: str
    state: ReleaseState
    submitted_at: datetime
    submitted_by: str
    submission_sha256: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    figures: dict[str, float | None]
    card: str
    evidence: str
    model_sha256: str
    model_length_bytes: int
    withdrawn_at: datetime | None = None
    withdrawn_by: str | None = None
    withdrawn_reason: str | None = None


@dataclass(frozen=True)
class Approval:
    """Who put a release into service on a channel, when, and on what figures."""

    approver: str
    at: datetime
    figures: dict[str, float | None]


@dataclass(frozen=True)
class ChannelEvent:
    """What happened to a channel.

    Args:
        at: when.
        kind: what.
        version: the release that it happened with.
        percentage: the share that was asked for, of a promotion.
        approver: name of the key, or of the policy, that did it.
        reason: why, of a withdrawal.
        after: what the channel offers since.
        figures: rates of `version`, as the gate saw them.
        sequence: place in the channel's history, from 1.
        approval: of the release that is in service since, which after a rollback or a withdrawal is not `version`.
    """

    at: datetime
    kind: ChannelEventKind
    version: str | None
    percentage: int | None
    approver: str
    reason: str | None
    after: Channel
    figures: dict[str, float | None] = field(default_factory=dict)
    sequence: int = 0
    approval: Approval | None = None


def add_release(session: Session, release: Release) -> None:
    """Stores a new candidate."""
    values = {name: getattr(release, name) for name in Release.__dataclass_fields__}
    session.add(ReleaseRow(**values | {"reasons": list(release.reasons), "notes": list(release.notes)}))
    session.flush()


def find_release(session: Session, version: str) -> Release | None:
    """Gives a release by its version."""
    row = session.get(ReleaseRow, version)
    return None if row is None else _release(row)


def find_submission(session: Session, version: str, run_id: str) -> Release | None:
    """Gives what a run submitted before, or what another run submitted under the same version."""
    row = session.scalar(select(ReleaseRow).where((ReleaseRow.version == version) | (ReleaseRow.run_id == run_id)))
    return None if row is None else _release(row)


def mark_withdrawn(session: Session, version: str, at: datetime, by: str, reason: str) -> None:
    """Takes a release back."""
    row = session.get_one(ReleaseRow, version)
    row.state, row.withdrawn_at, row.withdrawn_by, row.withdrawn_reason = ReleaseState.WITHDRAWN, at, by, reason


def list_releases(session: Session, limit: int, before: tuple[datetime, str] | None) -> list[Release]:
    """Gives releases, newest submission first.

    Args:
        session: an open transaction.
        limit: how many at most.
        before: submission time and version of the last one of the page before.
    """
    query = select(ReleaseRow).order_by(ReleaseRow.submitted_at.desc(), ReleaseRow.version.desc()).limit(limit)
    if before is not None:
        at, version = before
        query = query.where(
            (ReleaseRow.submitted_at < at) | ((ReleaseRow.submitted_at == at) & (ReleaseRow.version < version))
        )
    return [_release(row) for row in session.scalars(query)]


def count_releases(session: Session) -> dict[str, int]:
    """Gives the number of candidates and releases in each state that has any."""
    query = select(ReleaseRow.state, func.count()).group_by(ReleaseRow.state)
    return dict(session.execute(query).all())


def count_events(session: Session) -> dict[str, int]:
    """Gives how often each kind of thing happened to a channel."""
    query = select(ChannelEventRow.kind, func.count()).group_by(ChannelEventRow.kind)
    return dict(session.execute(query).all())


def withdrawn_versions(session: Session) -> tuple[str, ...]:
    """Names every release that was taken back, oldest first."""
    query = select(ReleaseRow.version).where(ReleaseRow.state == ReleaseState.WITHDRAWN).order_by(ReleaseRow.version)
    return tuple(session.scalars(query))


def find_channel(session: Session, name: str) -> Channel | None:
    """Gives what a channel offers now; None if nothing ever happened to it."""
    query = select(ChannelEventRow).where(ChannelEventRow.channel == name)
    row = session.scalar(query.order_by(ChannelEventRow.sequence.desc()).limit(1))
    return None if row is None else _channel(row)


def list_channels(session: Session) -> list[Channel]:
    """Gives what every channel offers now, by name."""
    newest = select(ChannelEventRow.channel, func.max(ChannelEventRow.sequence)).group_by(ChannelEventRow.channel)
    place = tuple_(ChannelEventRow.channel, ChannelEventRow.sequence)
    return [_channel(row) for row in session.scalars(select(ChannelEventRow).where(place.in_(newest))).all()]


def add_event(session: Session, event: ChannelEvent) -> None:
    """Stores what happened to a channel; from then on it offers `event.after`."""
    channel = event.after
    last = session.scalar(select(func.max(ChannelEventRow.sequence)).where(ChannelEventRow.channel == channel.name))
    session.add(
        ChannelEventRow(
            channel=channel.name,
            sequence=(last or 0) + 1,
            at=event.at,
            kind=event.kind,
            version=event.version,
            percentage=event.percentage,
            approver=event.approver,
            reason=event.reason,
            release=channel.release,
            candidate=channel.candidate,
            candidate_percentage=channel.percentage,
            former=list(channel.former),
        )
    )
    session.flush()


def was_on_channel(session: Session, channel: str, version: str) -> bool:
    """Tells whether a release was ever promoted to a channel."""
    query = select(ChannelEventRow.sequence).where(
        ChannelEventRow.channel == channel, ChannelEventRow.version == version
    )
    return session.scalar(query.limit(1)) is not None


def list_events(
    session: Session, channel: str, limit: int, *, before_sequence: int | None, until: datetime | None
) -> list[ChannelEvent]:
    """Gives what happened to a channel, newest first.

    Args:
        session: an open transaction.
        channel: its name.
        limit: how many events at most.
        before_sequence: place of the last event of the page before.
        until: only what happened up to this moment.
    """
    query = (
        select(ChannelEventRow, ReleaseRow.figures)
        .outerjoin(ReleaseRow, ReleaseRow.version == ChannelEventRow.version)
        .where(ChannelEventRow.channel == channel)
        .order_by(ChannelEventRow.sequence.desc())
        .limit(limit)
    )
    if before_sequence is not None:
        query = query.where(ChannelEventRow.sequence < before_sequence)
    if until is not None:
        query = query.where(ChannelEventRow.at <= until)
    events = [_event(row, figures or {}) for row, figures in session.execute(query)]
    approvals = _promotions(session, channel, {event.after.release for event in events})
    return [
        replace(event, approval=next((found for version, sequence, found in approvals
                                      if version == event.after.release and sequence <= event.sequence), None))
        for event in events
    ]  # fmt: skip


def _promotions(session: Session, channel: str, versions: set[str | None]) -> list[tuple[str | None, int, Approval]]:
    """Gives version, sequence and approval of every promotion of these releases, newest first."""
    query = (
        select(ChannelEventRow, ReleaseRow.figures)
        .join(ReleaseRow, ReleaseRow.version == ChannelEventRow.version)
        .where(ChannelEventRow.channel == channel, ChannelEventRow.version.in_(versions - {None}))
        .where(ChannelEventRow.kind == ChannelEventKind.PROMOTE.value)
        .order_by(ChannelEventRow.sequence.desc())
    )
    return [
        (row.version, row.sequence, Approval(row.approver, row.at, figures)) for row, figures in session.execute(query)
    ]


def _release(row: ReleaseRow) -> Release:
    values: dict[str, Any] = {name: getattr(row, name) for name in Release.__dataclass_fields__}
    converted = {"state": ReleaseState(row.state), "reasons": tuple(row.reasons), "notes": tuple(row.notes)}
    return Release(**values | converted)


def _channel(row: ChannelEventRow) -> Channel:
    return Channel(row.channel, row.release, row.candidate, row.candidate_percentage, tuple(row.former))


def _event(row: ChannelEventRow, figures: dict[str, float | None]) -> ChannelEvent:
    return ChannelEvent(
        row.at,
        ChannelEventKind(row.kind),
        row.version,
        row.percentage,
        row.approver,
        row.reason,
        _channel(row),
        figures,
        row.sequence,
    )
