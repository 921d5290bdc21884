"""The durable workflow of a run.

DBOS remembers which steps are done. A worker that is killed in a step, or after a step's effect and before DBOS knows
of it, repeats that step, which is harmless: see `steps`. A worker that is told to stop leaves a step by `Interrupted`,
which DBOS does not record, so that the run stays pending and goes on at the next start.
"""

from collections.abc import Callable
from threading import Condition
from typing import Any, Final, TypeVar

from dbos import DBOS, EnqueueOptions, StepOptions
from sqlalchemy.exc import OperationalError

from services.training.failures import RunFailure
from services.training.runs import RunHasEndedError, State, Step
from services.training.steps import Outcome, Steps, failed

QUEUE: Final = "training"
WORKFLOW: Final = "train"
SCHEDULED: Final = "start_scheduled_run"
APPLICATION: Final = "quietline-training"
VERSION: Final = "1"
"""Goes up when the steps change so that a run cannot go on with newer code."""
MAX_ATTEMPTS: Final = 200
"""Starts of one run after which it is given up: it takes its workers down with it."""

_Result = TypeVar("_Result")


class Occupation:
    """Counts the steps that are being done in this process, so that an end can wait for them."""

    def __init__(self) -> None:
        self._steps = 0
        self._changed = Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._steps += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._steps -= 1
            self._changed.notify_all()

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

    def do(name: str, work: Callable[..., _Result], *arguments: object) -> _Result:
        def occupied() -> _Result:
            with occupation:
                return work(*arguments)

        return DBOS.run_step(_OPTIONS | StepOptions(name=name), occupied)

    @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=MAX_ATTEMPTS)
    def train(run_id: str) -> Outcome:
        outcome = _outcome(steps, do, run_id)
        do("finish", steps.finish, run_id, outcome)
        return outcome


_OPTIONS: Final = StepOptions(
    retries_allowed=True,
    max_attempts=4,
    interval_seconds=0.25,
    should_retry=lambda error: isinstance(error, OperationalError),
)
"""A database that is locked or gone for a moment is no reason to fail; everything else has its own answer."""


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
