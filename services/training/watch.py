"""What a step asks while it works: may I go on, and who should know how far I am?"""

import time
from collections.abc import Callable
from threading import Event
from typing import Final

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from services.training import runs, store
from services.training.runs import Progress, Step
from shared.database import writing

REPORT_SECONDS: Final = 0.5

log = structlog.get_logger()


class Interrupted(BaseException):
    """The worker was told to stop. No `Exception`, so that nothing records it as what became of the step."""


class Watch:
    """Watches over one step of one run.

    Calling it says how far the step is, and ends the step where it must not go on.

    Args:
        engine: database of the runs.
        run_id: the run.
        step: the step that is being done.
        stop: set when the worker must end.
        clock: seconds that only grow.
    """

    def __init__(
        self, engine: Engine, run_id: str, step: Step, stop: Event, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine, self._run_id, self._step, self._stop, self._clock = engine, run_id, step, stop, clock
        self._reported_at_seconds = -REPORT_SECONDS
        self._began_at_seconds = clock()
        self._last = Progress(step, 0, 1)

    def __call__(self, done: int, total: int, note: str | None = None) -> None:
        """Says that `done` of `total` is done; most calls cost nothing, two in a second are written down.

        Raises:
            Interrupted: if the worker must end.
            RunHasEndedError: if the run was cancelled.
        """
        if self._stop.is_set():
            raise Interrupted
        self._last = Progress(self._step, min(done, max(total - 1, 0)), max(total, 1), note)
        if self._clock() - self._reported_at_seconds >= REPORT_SECONDS:
            self._report()

    def begin(self) -> None:
        """Says that the step has begun."""
        if self._stop.is_set():
            raise Interrupted
        self._report()

    def end(self) -> None:
        """Says that the step is done, and how long it took."""
        self._last = Progress(self._step, self._last.total, self._last.total, self._last.note)
        seconds = self._clock() - self._began_at_seconds
        self._report(lambda session: store.set_step_seconds(session, self._run_id, self._step, seconds))

    def wait(self, seconds: float, note: str) -> None:
        """Waits, but not longer than until the worker must end or the run is cancelled."""
        deadline_seconds = self._clock() + seconds
        self._reported_at_seconds = -REPORT_SECONDS  # however short the pause is, it is told why
        while (left := deadline_seconds - self._clock()) > 0:
            self(self._last.done, self._last.total, note)
            self._stop.wait(min(left, REPORT_SECONDS))

    def say(self, words: str) -> None:
        """Adds a line to the run's log."""
        with writing(self._engine) as session:
            store.add_log(session, self._run_id, words)

    def _report(self, and_also: Callable[[Session], None] = lambda _: None) -> None:
        try:
            with writing(self._engine) as session:
                store.change_run(session, self._run_id, lambda run: runs.advance(run, self._last))
                and_also(session)
        except OperationalError:
            log.warning("progress_not_written", run_id=self._run_id)  # the next report says more
        self._reported_at_seconds = self._clock()
