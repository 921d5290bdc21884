"""The training service's tables: runs, their events and times, idempotency keys, workers' leases and triggers."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, MetaData, String, Text, func, select, tuple_
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from services.training.runs import Ending, Progress, Run, State, Step, UnknownRunError
from shared.database import NAMING_CONVENTION, UtcDateTime


class Table(DeclarativeBase):
    """The tables of this service."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class RunRow(Table):
    """One run."""

    __tablename__ = "runs"
    __table_args__ = (Index("ix_runs_created_at_id", "created_at", "id"), Index("ix_runs_state", "state"))

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    snapshot: Mapped[str] = mapped_column(String(100))
    recipe: Mapped[dict[str, Any]] = mapped_column(JSON)
    requested_by: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    progress: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    release: Mapped[str | None] = mapped_column(String(40))
    ending: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class EventRow(Table):
    """One event of a run, numbered from 1 in the order in which they happened."""

    __tablename__ = "run_events"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16))
    content: Mapped[str] = mapped_column(Text)


class StepTimeRow(Table):
    """How long a step of a run took, the time that counted: that of the last try."""

    __tablename__ = "step_times"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    step: Mapped[str] = mapped_column(String(16), primary_key=True)
    seconds: Mapped[float]


class RequestRow(Table):
    """Which run a key holder's idempotency key stands for."""

    __tablename__ = "requests"

    holder: Mapped[str] = mapped_column(String(60), primary_key=True)
    idempotency_key: Mapped[str] = mapped_column(String(200), primary_key=True)
    request_digest: Mapped[str] = mapped_column(String(64))
    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"))


class LeaseRow(Table):
    """A worker that lives as long as its count of beats goes on."""

    __tablename__ = "leases"

    executor_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    beats: Mapped[int]
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)


class TriggerRow(Table):
    """What a trigger has acted on: the count of verified labels at its last run."""

    __tablename__ = "triggers"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    labels: Mapped[int]


@dataclass(frozen=True)
class Event:
    """One event of a run; `content` is JSON."""

    number: int
    kind: str
    content: str


def add_run(session: Session, run: Run) -> None:
    """Stores a new run and its first event."""
    row = RunRow(id=run.id)
    _write(row, run)
    session.add(row)
    session.flush()
    _append(session, run.id, "state", run.document())


def find_run(session: Session, run_id: str) -> Run:
    """Gives a run.

    Raises:
        UnknownRunError: if there is none with this id.
    """
    row = session.get(RunRow, run_id)
    if row is None:
        raise UnknownRunError("No run has this id.")
    return _read(row)


def change_run(session: Session, run_id: str, move: Callable[[Run], Run]) -> Run:
    """Makes a move of `runs` while nobody else can, and writes down the events that follow from it.

    Raises:
        UnknownRunError: if there is no run with this id.
        RunHasEndedError: if the move says so.
    """
    row = session.get(RunRow, run_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise UnknownRunError("No run has this id.")
    before = _read(row)
    after = move(before)
    if after == before:
        return after
    _write(row, after)
    if after.progress is not None and after.progress != before.progress:
        _append(session, run_id, "progress", after.progress.document())
    if after.state is not before.state:
        _append(session, run_id, "state", after.document())
        if after.state.is_end:
            _append(session, run_id, "end", after.document())
    return after


def add_log(session: Session, run_id: str, words: str) -> None:
    """Adds a line for whoever follows the run; nothing is added behind its end."""
    row = session.get(RunRow, run_id, with_for_update=True)
    if row is not None and not State(row.state).is_end:
        _append(session, run_id, "log", {"words": words})


def list_runs(
    session: Session, limit: int, before: tuple[datetime, str] | None = None, state: State | None = None
) -> list[Run]:
    """Gives runs, the newest first, that are older than `before` (creation time, id)."""
    query = select(RunRow).order_by(RunRow.created_at.desc(), RunRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tuple_(RunRow.created_at, RunRow.id) < before)
    if state is not None:
        query = query.where(RunRow.state == state)
    return [_read(row) for row in session.scalars(query)]


def unended_runs(session: Session) -> list[Run]:
    """Gives the runs that wait or run, the oldest first."""
    states = [state for state in State if not state.is_end]
    query = select(RunRow).where(RunRow.state.in_(states)).order_by(RunRow.created_at, RunRow.id)
    return [_read(row) for row in session.scalars(query)]


def events_after(session: Session, run_id: str, number: int, limit: int = 500) -> list[Event]:
    """Gives a run's events after the one with this number."""
    query = (
        select(EventRow)
        .where(EventRow.run_id == run_id, EventRow.number > number)
        .order_by(EventRow.number)
        .limit(limit)
    )
    return [Event(row.number, row.kind, row.content) for row in session.scalars(query)]


def last_event_number(session: Session, run_id: str) -> int:
    """Gives the number of a run's newest event."""
    return session.scalar(select(func.max(EventRow.number)).where(EventRow.run_id == run_id)) or 0


def find_request(session: Session, holder: str, idempotency_key: str) -> tuple[str, str] | None:
    """Gives (digest of the request, run id) of what was asked for under the key, or None."""
    row = session.get(RequestRow, (holder, idempotency_key))
    return (row.request_digest, row.run_id) if row else None


def add_request(session: Session, holder: str, idempotency_key: str, request_digest: str, run_id: str) -> None:
    """Remembers what was asked for under the key."""
    session.add(
        RequestRow(holder=holder, idempotency_key=idempotency_key, request_digest=request_digest, run_id=run_id)
    )
    session.flush()


def beat(session: Session, executor_id: str, seen_at: datetime) -> None:
    """Says that the worker lives."""
    row = session.get(LeaseRow, executor_id, with_for_update=True)
    if row is None:
        session.add(LeaseRow(executor_id=executor_id, beats=1, seen_at=seen_at))
    else:
        row.beats += 1
        row.seen_at = seen_at


def give_up_lease(session: Session, executor_id: str) -> None:
    """Says that the worker has ended and touches nothing any more."""
    row = session.get(LeaseRow, executor_id)
    if row is not None:
        session.delete(row)


def beats(session: Session) -> dict[str, int]:
    """Gives the count of beats of every worker that has a lease."""
    return {row.executor_id: row.beats for row in session.scalars(select(LeaseRow))}


def last_beats(session: Session) -> list[datetime]:
    """Gives when each worker that has a lease last showed that it lives."""
    return list(session.scalars(select(LeaseRow.seen_at)))


def count_runs(session: Session) -> dict[str, int]:
    """Gives the number of runs in each state that has any."""
    return dict(session.execute(select(RunRow.state, func.count()).group_by(RunRow.state)).all())


def oldest_queued_at(session: Session) -> datetime | None:
    """Gives when the run was asked for that waits longest for a worker, or None if none waits."""
    query = select(RunRow.created_at).where(RunRow.state == State.QUEUED).order_by(RunRow.created_at).limit(1)
    return session.scalar(query)


def set_step_seconds(session: Session, run_id: str, step: Step, seconds: float) -> None:
    """Remembers how long a step took; that of an earlier try is forgotten."""
    session.merge(StepTimeRow(run_id=run_id, step=step, seconds=seconds))


def step_times(session: Session) -> dict[str, tuple[int, float]]:
    """Gives how often each step was done and how many seconds that took in all."""
    query = select(StepTimeRow.step, func.count(), func.sum(StepTimeRow.seconds)).group_by(StepTimeRow.step)
    return {step: (count, seconds) for step, count, seconds in session.execute(query)}


def labels_at_last_run(session: Session, trigger: str) -> int | None:
    """Gives the count of labels that the trigger acted on last, and keeps others from acting until the commit."""
    row = session.get(TriggerRow, trigger, with_for_update=True)
    return row.labels if row else None


def set_labels(session: Session, trigger: str, labels: int) -> None:
    """Remembers the count of labels that the trigger acted on."""
    session.merge(TriggerRow(name=trigger, labels=labels))


def _append(session: Session, run_id: str, kind: str, content: dict[str, Any]) -> None:
    """Adds an event; the caller has locked the run, so that numbers follow each other."""
    number = last_event_number(session, run_id) + 1
    session.add(EventRow(run_id=run_id, number=number, kind=kind, content=json.dumps(content, ensure_ascii=False)))
    session.flush()


def _write(row: RunRow, run: Run) -> None:
    row.state = run.state
    row.snapshot = run.snapshot
    row.recipe = dict(run.recipe)
    row.requested_by = run.requested_by
    row.created_at = run.created_at
    row.progress = run.progress.document() if run.progress else None
    row.finished_at = run.finished_at
    row.release = run.release
    row.ending = (
        {"word": run.ending.word, "title": run.ending.title, "detail": run.ending.detail,
         "reasons": list(run.ending.reasons)}
        if run.ending else None
    )  # fmt: skip


def _read(row: RunRow) -> Run:
    progress, ending = row.progress, row.ending
    return Run(
        id=row.id,
        state=State(row.state),
        snapshot=row.snapshot,
        recipe=row.recipe,
        requested_by=row.requested_by,
        created_at=row.created_at,
        progress=Progress(Step(progress["step"]), progress["done"], progress["total"], progress["note"])
        if progress
        else None,
        finished_at=row.finished_at,
        release=row.release,
        ending=Ending(ending["word"], ending["title"], ending["detail"], tuple(ending["reasons"])) if ending else None,
    )
