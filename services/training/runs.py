"""A run and what may happen to it: pure rules, no input or output.

    RunError
    ├── UnknownRunError        there is no such run
    └── RunHasEndedError       it has ended, and what was asked for is not its end

A move that was made already may be made again and changes nothing, because a killed worker repeats its last step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final


class RunError(Exception):
    """What was asked of a run cannot be done."""


class UnknownRunError(RunError):
    """There is no run with this id."""


class RunHasEndedError(RunError):
    """The run has ended; its end stays as it is."""


class State(StrEnum):
    """How far a run is. The last four are ends."""

    QUEUED = "queued"  # waits for a worker
    RUNNING = "running"  # a worker has it, or had it and is being replaced
    SUCCEEDED = "succeeded"  # the registry took the candidate
    REFUSED = "refused"  # the release gate refused the candidate and said why
    FAILED = "failed"  # no candidate could be made; `problem` says why
    CANCELLED = "cancelled"  # someone asked for its end

    @property
    def is_end(self) -> bool:
        """Tells whether nothing can happen to the run any more."""
        return self in ENDS


ENDS: Final = frozenset({State.SUCCEEDED, State.REFUSED, State.FAILED, State.CANCELLED})


class Step(StrEnum):
    """The steps of a run, in order."""

    READ = "read"  # download the snapshot and check it
    FIT = "fit"  # fit the classifier on messages and their disguised copies
    CALIBRATE = "calibrate"  # choose thresholds from cross-fitted scores
    EXPORT = "export"  # write the graph
    EVALUATE = "evaluate"  # judge the graph on held-out messages
    SUBMIT = "submit"  # hand the candidate to the registry's gate


@dataclass(frozen=True)
class Progress:
    """How far a step is: `done` of `total` units of its own; equal numbers end the step."""

    step: Step
    done: int
    total: int
    note: str | None = None

    def document(self) -> dict[str, Any]:
        """Gives the JSON object that clients read."""
        return {"step": self.step, "done": self.done, "total": self.total, "note": self.note}


@dataclass(frozen=True)
class Ending:
    """Why a run did not succeed, in words for the person who asked for it."""

    word: str
    title: str
    detail: str
    reasons: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Gives the problem document (RFC 9457) without a status: nobody's request failed."""
        problem = {"type": f"urn:quietline:problem:{self.word}", "title": self.title, "detail": self.detail}
        return problem | ({"reasons": list(self.reasons)} if self.reasons else {})


@dataclass(frozen=True)
class Run:
    """One attempt to turn a snapshot into a release."""

    id: str
    state: State
    snapshot: str
    recipe: Mapping[str, Any]
    requested_by: str
    created_at: datetime
    progress: Progress | None = None
    finished_at: datetime | None = None
    release: str | None = None
    ending: Ending | None = None

    def document(self) -> dict[str, Any]:
        """Gives the JSON object that clients read."""
        return {
            "id": self.id,
            "state": self.state,
            "step": self.progress.step if self.progress else None,
            "progress": self.progress.document() if self.progress else None,
            "snapshot": self.snapshot,
            "recipe": dict(self.recipe),
            "requested_by": self.requested_by,
            "created_at": timestamp(self.created_at),
            "finished_at": timestamp(self.finished_at) if self.finished_at else None,
            "release": self.release,
            "problem": self.ending.document() if self.ending else None,
        }


def timestamp(moment: datetime) -> str:
    """Gives a moment as RFC 3339 text in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def start(run: Run) -> Run:
    """A worker takes the run, for the first time or again."""
    _refuse_ended(run)
    return replace(run, state=State.RUNNING)


def name_snapshot(run: Run, snapshot_id: str) -> Run:
    """Says which snapshot `latest` turned out to be."""
    _refuse_ended(run)
    return replace(run, snapshot=snapshot_id)


def advance(run: Run, progress: Progress) -> Run:
    """Says how far the run is. A step that is done again counts again."""
    _refuse_ended(run)
    return replace(run, progress=progress)


def succeed(run: Run, release: str, at: datetime) -> Run:
    """The registry took the candidate."""
    return _end(run, replace(run, state=State.SUCCEEDED, release=release, finished_at=at))


def refuse(run: Run, reasons: Sequence[str], at: datetime) -> Run:
    """The registry's gate refused the candidate."""
    ending = Ending("gate-refused", "The release gate refused the candidate", "; ".join(reasons), tuple(reasons))
    return _end(run, replace(run, state=State.REFUSED, ending=ending, finished_at=at))


def fail(run: Run, ending: Ending, at: datetime) -> Run:
    """No candidate can be made."""
    return _end(run, replace(run, state=State.FAILED, ending=ending, finished_at=at))


def cancel(run: Run, at: datetime) -> Run:
    """Someone asked for the run's end."""
    return _end(run, replace(run, state=State.CANCELLED, finished_at=at))


def _end(run: Run, ended: Run) -> Run:
    """Makes the first end the only one; the same end again changes nothing, not even the time."""
    if run.state is ended.state:
        return run
    _refuse_ended(run)
    return ended


def _refuse_ended(run: Run) -> None:
    if run.state.is_end:
        raise RunHasEndedError(f"The run ended as {run.state}.")
