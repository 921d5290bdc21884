"""The worker that does runs, inside the suite's process or as a process of its own (`python -m services.training.worker`)."""

import logging
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any, Final

import structlog
from dbos import DBOS, DBOSConfig
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from services.training import store
from services.training.failures import WorkerFailureError
from services.training.leases import ExecutorId, Lookout
from services.training.patience import Patience
from services.training.peers import PeerError, Peers
from services.training.runs import Run
from services.training.schedules import run_for_new_labels, run_for_schedule
from services.training.settings import Settings
from services.training.steps import Steps, failed, write_outcome
from services.training.workflow import (
    APPLICATION,
    QUEUE,
    SCHEDULED,
    VERSION,
    WORKFLOW,
    Occupation,
    enqueue_options,
    register_workflow,
)
from shared.database import open_engine, reading, writing
from shared.web import configure_logging

STOP_SECONDS: Final = 2.0

log = structlog.get_logger()


def utc_now() -> datetime:
    """Gives the time."""
    return datetime.now(UTC)


class Worker:
    """Does queued runs, one after the other, and takes over those of dead workers.

    There can be one in a process, because DBOS is one for a process.

    Args:
        settings: the same as the API's.
        peers: ingestion and registry.
        now: gives the time.
    """

    def __init__(self, settings: Settings, peers: Peers, *, now: Callable[[], datetime] = utc_now) -> None:
        self._settings = settings
        self._peers = peers
        self._now = now
        self._stop = Event()
        self._occupation = Occupation()
        self._lookout = Lookout(settings.lease_seconds, time.monotonic)
        self._engine: Engine | None = None
        self._executor: ExecutorId | None = None
        self._housekeeping: Thread | None = None

    def start(self) -> None:
        """Begins to do runs, first of all those that this worker left behind.

        Raises:
            ExecutorIdInUseError: if another worker has this worker's id.
        """
        self._executor = ExecutorId.claim(self._settings.executor_id_file)
        self._engine = open_engine(self._settings.database_url)
        self._beat()
        _silence_dbos()
        DBOS(config=_dbos_config(self._settings, self._executor.value))
        steps = Steps(
            self._settings, self._engine, self._peers, self._stop, self._now, Patience(self._settings.patience_seconds)
        )
        register_workflow(steps, self._occupation)
        scheduled = self._register_schedule()
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=1, polling_interval_sec=self._settings.queue_seconds)
        self._apply_schedule(scheduled)
        self._keep_house()
        self._housekeeping = Thread(target=self._keep_house_until_stopped, name="training-housekeeping", daemon=True)
        self._housekeeping.start()
        log.info("worker_started", executor=self._executor.value)

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> None:
        """Leaves the run that is under way, to go on at the next start, and returns in time."""
        if self._executor is None or self._stop.is_set():
            return
        self._stop.set()
        deadline_seconds = time.monotonic() + timeout_seconds
        is_idle = self._occupation.wait_until_idle(timeout_seconds / 2)
        if self._housekeeping is not None:
            self._housekeeping.join(timeout_seconds / 4)
        ending = Thread(target=lambda: DBOS.destroy(destroy_registry=True), name="training-ending", daemon=True)
        ending.start()
        ending.join(max(0.0, deadline_seconds - time.monotonic()))
        if is_idle and self._engine is not None:
            self._give_up_lease(self._engine, self._executor.value)
        self._executor.release()
        log.info("worker_stopped", idle=is_idle)

    @property
    def _database(self) -> Engine:
        assert self._engine is not None  # start() has opened it
        return self._engine

    def _keep_house_until_stopped(self) -> None:
        polled_at_seconds = time.monotonic()
        while not self._stop.wait(self._settings.lease_seconds / 4):
            try:
                self._keep_house()
                if time.monotonic() - polled_at_seconds >= self._settings.poll_seconds:
                    polled_at_seconds = time.monotonic()
                    self._ask_for_new_labels()
            except DBAPIError as error:
                log.warning("housekeeping_failed", kind=type(error.orig).__name__)

    def _keep_house(self) -> None:
        """Says that this worker lives, takes over from dead ones, and brings rows and workflows together."""
        self._beat()
        with reading(self._database) as session:
            self._lookout.look(store.beats(session))
            unended = store.unended_runs(session)
        if not unended:
            return
        self._take_over_from_the_dead()
        for run in unended:
            self._reconcile(run)

    def _beat(self) -> None:
        assert self._executor is not None  # start() has claimed it
        with writing(self._database) as session:
            store.beat(session, self._executor.value, self._now())

    def _take_over_from_the_dead(self) -> None:
        assert self._executor is not None  # start() has claimed it
        pending = DBOS.list_workflows(status="PENDING", name=WORKFLOW, load_input=False, load_output=False)
        others = {workflow.executor_id for workflow in pending} - {None, self._executor.value}
        dead = sorted(other for other in others if other and self._lookout.is_dead(other))
        if dead:
            log.warning("runs_taken_over", executors=dead)
            DBOS._recover_pending_workflows(dead)

    def _reconcile(self, run: Run) -> None:
        """Enqueues a run that has no workflow, and ends one whose workflow has ended."""
        workflow = DBOS.get_workflow_status(run.id)
        if workflow is None:
            DBOS.enqueue_workflow_with_options(enqueue_options(run.id), run.id)
        elif workflow.status == "SUCCESS" and isinstance(workflow.output, dict):
            write_outcome(self._database, run.id, workflow.output, self._now())
        elif workflow.status in {"SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"}:
            broken = WorkerFailureError(
                "The worker's log says where. Start another run; if it breaks off too, report it."
            )
            write_outcome(self._database, run.id, failed(broken.ending), self._now())
        elif workflow.app_version not in {None, VERSION}:
            old = WorkerFailureError("It was begun by another version of the service. Start another run.")
            write_outcome(self._database, run.id, failed(old.ending), self._now())

    def _ask_for_new_labels(self) -> None:
        if self._settings.new_labels_per_run is None:
            return
        try:
            run_for_new_labels(self._database, self._peers, self._settings.new_labels_per_run, self._now)
        except PeerError as error:
            log.warning("labels_not_counted", why=type(error).__name__)

    def _register_schedule(self) -> Callable[[datetime, Any], None] | None:
        if self._settings.schedule is None:
            return None

        @DBOS.workflow(name=SCHEDULED)
        def start_scheduled_run(scheduled_at: datetime, _context: Any) -> None:
            DBOS.run_step(
                {"name": "make_run"},
                lambda: run_for_schedule(self._database, self._peers, scheduled_at, self._now()),
            )

        return start_scheduled_run

    def _apply_schedule(self, scheduled: Callable[[datetime, Any], None] | None) -> None:
        if scheduled is None or self._settings.schedule is None:
            if DBOS.get_schedule(SCHEDULED) is not None:
                DBOS.delete_schedule(SCHEDULED)
            return
        DBOS.apply_schedules(
            [{"schedule_name": SCHEDULED, "workflow_fn": scheduled, "schedule": self._settings.schedule}]
        )

    def _give_up_lease(self, engine: Engine, executor_id: str) -> None:
        try:
            with writing(engine) as session:
                store.give_up_lease(session, executor_id)
        except DBAPIError as error:
            log.warning("lease_not_given_up", kind=type(error.orig).__name__)


def _dbos_config(settings: Settings, executor_id: str) -> DBOSConfig:
    return DBOSConfig(
        name=APPLICATION,
        system_database_url=settings.dbos_database_url,
        application_version=VERSION,
        executor_id=executor_id,
        log_level="WARNING",
        enable_otlp=False,
    )


class _DbosLog(logging.Handler):
    """Says where DBOS complained, but not in its words, which may hold an exception's text."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        log.warning("dbos", level=record.levelname, where=f"{record.filename}:{record.lineno}", kind=kind)


def _silence_dbos() -> None:
    logger = logging.getLogger("dbos")
    logger.handlers = [_DbosLog()]
    logger.propagate = False


def main() -> None:
    """Runs a worker until SIGTERM or SIGINT."""
    configure_logging()
    settings = Settings()  # type: ignore[call-arg]  # read from the environment
    peers = Peers.over_http(settings)
    worker = Worker(settings, peers)
    ended = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    worker.start()
    ended.wait()
    worker.stop()
    peers.close()


if __name__ == "__main__":
    main()
