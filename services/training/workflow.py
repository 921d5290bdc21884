"""The durable workflow of a run.

DBOS remembers which steps are done. A worker that is killed in a step, or after a step's effect and before DBOS knows
of it, repeats that step, which is harmless: see `steps`. A worker that is told to stop leaves a step by `Interrupted`,
which DBOS does not record, so that the run stays pending and goes on at the next start.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition, Event
from typing import Any, Final, TypeVar

import structlog
from dbos import DBOS, EnqueueOptions, StepOptions
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from structlog.contextvars import bound_contextvars

from services.training.failures import RunFailure, WorkerFailureError
from services.training.patience import Patience, Tries
from services.training.runs import RunHasEndedError, State, Step
from services.training.steps import Outcome, Steps, failed
from services.training.watch import Interrupted
from shared.database import kind_of

QUEUE: Final = "training"
WORKFLOW: Final = "train"
SCHEDULED: Final = "start_scheduled_run"
APPLICATION: Final = "quietline-training"
VERSION: Final = "2"
"""Goes up when the steps change so that a run cannot go on with newer code."""
MAX_ATTEMPTS: Final = 200
"""Starts of one run after which it is given up: it takes its workers down with it."""

DATABASE_PATIENCE: Final = Patience(seconds=3600.0)
"""A database that is locked or gone for a while is no reason to fail; everything else has its own answer."""

OUTAGES: Final = (OperationalError, PoolTimeoutError)
"""What SQLAlchemy raises when the database is locked or gone."""

_Result = TypeVar("_Result")

log = structlog.get_logger()


class Occupation:
    """Knows what is being done in this process: steps, so that an end can wait for them, and runs."""

    def __init__(self) -> None:
        self._steps = 0
        self._runs: list[str] = []
        self._changed = Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._steps += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._steps -= 1
            self._changed.notify_all()

    @contextmanager
    def of(self, run_id: str) -> Iterator[None]:
        """Says that a run is being done, between its steps too."""
        with self._changed:
            self._runs.append(run_id)
        try:
            yield
        finally:
            with self._changed:
                self._runs.remove(run_id)

    def runs(self) -> frozenset[str]:
        """Gives the runs that are being done."""
        with self._changed:
            return frozenset(self._runs)

    def wait_until_idle(self, seconds: float) -> bool:
        """Waits for the last step to be left; gives whether it was."""
        with self._changed:
            return self._changed.wait_for(lambda: self._steps == 0, seconds)


def enqueue_options(run_id: str) -> EnqueueOptions:
    """Says how a run is queued; its workflow has its id, so that queuing it again changes nothing."""
    return EnqueueOptions(
        workflow_name=WORKFLOW,
        queue_name=QUEUE,
        workflow_id=run_id,
        app_version=VERSION,
        application_name=APPLICATION,
    )


def register_workflow(steps: Steps, occupation: Occupation) -> None:
    """Makes the workflow known to DBOS, before it is launched."""

    def do(name: str, work: Callable[..., _Result], run_id: str, *arguments: object) -> _Result:
        def occupied() -> _Result:
            tries = Tries(DATABASE_PATIENCE, steps.random)
            with occupation, bound_contextvars(service="training", run_id=run_id), _logged(name):
                try:
                    return through_outages(lambda: work(run_id, *arguments), steps.stop, tries)
                except OUTAGES as error:
                    words = f"The database did not answer for {DATABASE_PATIENCE.seconds:.0f} s. Start another run."
                    raise WorkerFailureError(words) from error

        try:
            return DBOS.run_step(StepOptions(name=name), occupied)
        except OUTAGES as error:
            # DBOS could not write down what is done, and does not wait through every outage. The run stays pending,
            # and housekeeping takes it up again behind the last step that is written down.
            log.warning("run_left_pending", run_id=run_id, step=name, kind=kind_of(error))
            raise Interrupted from error

    @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=MAX_ATTEMPTS)
    def train(run_id: str) -> Outcome:
        with occupation.of(run_id):
            outcome = _outcome(steps, do, run_id)
            do("finish", steps.finish, run_id, outcome)
        return outcome


@contextmanager
def _logged(step: str) -> Iterator[None]:
    """Logs that a step begins, and how it ends."""
    began_at_seconds = time.monotonic()
    log.info("step_began", step=step)
    try:
        yield
    finally:
        error = sys.exception()
        outcome = "done" if error is None else type(error).__name__
        log.info("step_ended", step=step, outcome=outcome, seconds=round(time.monotonic() - began_at_seconds, 1))


def through_outages(work: Callable[[], _Result], stop: Event, tries: Tries) -> _Result:
    """Does what may be done again until the database answers, or the patience is used up.

    Raises:
        Interrupted: if the worker must end.
        OperationalError, TimeoutError: if the patience is used up.
    """
    while True:
        try:
            return work()
        except OUTAGES as error:
            pause = tries.pause()
            if pause is None:
                raise
            log.warning("database_awaited", kind=kind_of(error), seconds=round(pause, 1))
        if stop.wait(pause):
            raise Interrupted


def _outcome(steps: Steps, do: Callable[..., Any], run_id: str) -> Outcome:
    try:
        do("begin", steps.begin, run_id)
        snapshot = do(Step.READ, steps.read, run_id)
        do(Step.FIT, steps.fit, run_id)
        do(Step.CALIBRATE, steps.calibrate, run_id)
        do(Step.EXPORT, steps.export, run_id, snapshot["digest"])
        do(Step.EVALUATE, steps.evaluate, run_id)
        outcome: Outcome = do(Step.SUBMIT, steps.submit, run_id)
    except RunHasEndedError:
        return {"state": State.CANCELLED.value}
    except RunFailure as failure:
        return failed(failure.ending)
    return outcome
