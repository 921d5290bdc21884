"""What a worker does beside its runs: shows that it lives, takes over from the dead, and misses no run.

Several workers may do this at once: each thing that it does is harmless when it is done again.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from typing import Final

import structlog
from dbos import DBOS, WorkflowStatus
from sqlalchemy import Engine
from structlog.contextvars import bind_contextvars

from services.training import store
from services.training.failures import WorkerFailureError
from services.training.leases import Lookout
from services.training.peers import PeerError, Peers
from services.training.runs import Run
from services.training.schedules import run_for_new_labels
from services.training.settings import Settings
from services.training.steps import failed, write_outcome
from services.training.workflow import QUEUE, VERSION, WORKFLOW, enqueue_options
from shared.database import DATABASE_ERRORS, kind_of, reading, writing

BEATS_PER_LEASE: Final = 4

log = structlog.get_logger()


@dataclass
class Housekeeping:
    """Keeps house for one worker.

    Args:
        settings: how long a lease is, and what starts runs by itself.
        engine: database of the runs.
        peers: asked for the count of labels.
        executor_id: the worker.
        now: gives the time.
        clock: seconds that only grow.
        runs_being_done: gives those that this process works on.
    """

    settings: Settings
    engine: Engine
    peers: Peers
    executor_id: str
    now: Callable[[], datetime]
    clock: Callable[[], float] = time.monotonic
    runs_being_done: Callable[[], frozenset[str]] = frozenset
    _lookout: Lookout = field(init=False)
    _polled_at_seconds: float = field(init=False)
    _left: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        self._lookout = Lookout(self.settings.lease_seconds, self.clock)
        self._polled_at_seconds = self.clock()

    def go_on_until(self, stop: Event) -> None:
        """Does its rounds until the worker must end; a database that is away for a moment ends nothing."""
        bind_contextvars(service="training")
        while not stop.wait(self.settings.lease_seconds / BEATS_PER_LEASE):
            try:
                self.round()
                self._ask_for_new_labels()
            except DATABASE_ERRORS as error:
                log.warning("housekeeping_failed", kind=kind_of(error))

    def beat(self) -> None:
        """Shows that the worker lives."""
        with writing(self.engine) as session:
            store.beat(session, self.executor_id, self.now())
        if self.settings.heartbeat_file is not None:
            self.settings.heartbeat_file.touch()

    def round(self) -> None:
        """Shows that the worker lives, takes over from dead ones, and brings rows and workflows together."""
        self.beat()
        with reading(self.engine) as session:
            self._lookout.look(store.beats(session))
            unended = store.unended_runs(session)
        pending = DBOS.list_workflows(status="PENDING", name=WORKFLOW, load_input=False, load_output=False)
        self._take_over_from_the_dead(pending)  # of ended runs too, whose texts may still lie there
        self._take_up_what_was_left(pending)
        for run in unended:
            self._reconcile(run)

    def give_up_lease(self) -> None:
        """Says that the worker has ended and touches nothing any more, so that others need not wait for its lease."""
        try:
            with writing(self.engine) as session:
                store.give_up_lease(session, self.executor_id)
        except DATABASE_ERRORS as error:
            log.warning("lease_not_given_up", kind=kind_of(error))

    def _take_over_from_the_dead(self, pending: Sequence[WorkflowStatus]) -> None:
        others = {workflow.executor_id for workflow in pending if workflow.executor_id != self.executor_id}
        dead = sorted(other for other in others if other is not None and self._lookout.is_dead(other))
        if dead:
            log.warning("runs_taken_over", executors=dead)
            DBOS._recover_pending_workflows(dead)  # only those that no living worker has claimed meanwhile

    def _take_up_what_was_left(self, pending: Sequence[WorkflowStatus]) -> None:
        """Queues runs of this worker that nothing in it works on, as after an outage of the database.

        Only those that were so in the round before too: a run that has just left the queue is about to begin.
        """
        mine = {workflow.workflow_id for workflow in pending if workflow.executor_id == self.executor_id}
        left = frozenset(mine - self.runs_being_done())
        for run_id in sorted(left & self._left):
            log.warning("run_taken_up_again", run_id=run_id)
            DBOS.resume_workflow(run_id, queue_name=QUEUE)
        self._left = left

    def _reconcile(self, run: Run) -> None:
        """Queues a run that has no workflow, and ends one whose workflow has ended."""
        workflow = DBOS.get_workflow_status(run.id)
        if workflow is None:
            DBOS.enqueue_workflow_with_options(enqueue_options(run.id), run.id)
        elif workflow.status == "SUCCESS" and isinstance(workflow.output, dict):
            write_outcome(self.engine, run.id, workflow.output, self.now())
        elif workflow.status in {"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"}:
            self._give_up(run, "The worker's log says where. Start another run; if it breaks off too, report it.")
        elif workflow.app_version not in {None, VERSION}:
            self._give_up(run, "It was begun by another version of the service. Start another run.")

    def _give_up(self, run: Run, words: str) -> None:
        write_outcome(self.engine, run.id, failed(WorkerFailureError(words).ending), self.now())

    def _ask_for_new_labels(self) -> None:
        wanted = self.settings.new_labels_per_run
        if wanted is None or self.clock() - self._polled_at_seconds < self.settings.poll_seconds:
            return
        self._polled_at_seconds = self.clock()
        try:
            run_for_new_labels(self.engine, self.peers, wanted, self.now)
        except PeerError as error:
            log.warning("labels_not_counted", why=type(error).__name__)
