"""The worker that does runs, in the suite's process or in one of its own: `python -m services.training.worker`."""

import logging
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event, Thread
from typing import Any, Final

import structlog
from dbos import DBOS, DBOSConfig
from sqlalchemy import Engine

from services.training.housekeeping import Housekeeping
from services.training.leases import ExecutorId
from services.training.patience import Patience
from services.training.peers import Peers
from services.training.schedules import run_for_schedule
from services.training.settings import Settings
from services.training.steps import Steps
from services.training.workflow import APPLICATION, QUEUE, SCHEDULED, VERSION, Occupation, register_workflow
from shared.database import open_engine
from shared.web import configure_logging

STOP_SECONDS: Final = 2.0
LISTENER_SECONDS: Final = 0.2
"""How often DBOS looks whether it must end, beside its other work."""

log = structlog.get_logger()


def utc_now() -> datetime:
    """Gives the time."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class _Shift:
    """What a worker holds between its start and its end."""

    executor: ExecutorId
    engine: Engine
    housekeeping: Housekeeping
    rounds: Thread


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
        self._shift: _Shift | None = None

    def start(self) -> None:
        """Begins to do runs, first of all those that this worker left behind.

        Raises:
            ExecutorIdInUseError: if another worker has this worker's id.
        """
        settings, peers, now = self._settings, self._peers, self._now
        executor = ExecutorId.claim(settings.executor_id_file)
        engine = open_engine(settings.database_url)
        housekeeping = Housekeeping(settings, engine, peers, executor.value, now, runs_being_done=self._occupation.runs)
        housekeeping.beat()  # before DBOS can give it runs, so that nobody takes it for dead
        _silence_dbos()
        DBOS(config=_dbos_config(settings, executor.value))
        steps = Steps(settings, engine, peers, self._stop, now, Patience(settings.patience_seconds))
        register_workflow(steps, self._occupation)
        scheduled = _register_schedule(lambda at: run_for_schedule(engine, peers, at, now()))
        DBOS.launch()
        DBOS.register_queue(QUEUE, worker_concurrency=1, polling_interval_sec=settings.queue_seconds)
        _apply_schedule(settings.schedule, scheduled)
        housekeeping.round()
        rounds = Thread(target=housekeeping.go_on_until, args=(self._stop,), name="training-housekeeping", daemon=True)
        rounds.start()
        self._shift = _Shift(executor, engine, housekeeping, rounds)
        log.info("worker_started", executor=executor.value)

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> None:
        """Leaves the run that is under way, to go on at the next start, and returns in time."""
        if self._shift is None or self._stop.is_set():
            return
        self._stop.set()
        deadline_seconds = time.monotonic() + timeout_seconds
        is_idle = self._occupation.wait_until_idle(timeout_seconds / 2)
        self._shift.rounds.join(timeout_seconds / 4)
        ending = Thread(target=lambda: DBOS.destroy(destroy_registry=True), name="training-ending", daemon=True)
        ending.start()
        ending.join(max(0.0, deadline_seconds - time.monotonic()))
        if is_idle:
            self._shift.housekeeping.give_up_lease()
            self._shift.engine.dispose()
        self._shift.executor.release()
        log.info("worker_stopped", idle=is_idle)


def _register_schedule(make_run: Callable[[datetime], str]) -> Callable[[datetime, Any], None]:
    @DBOS.workflow(name=SCHEDULED)
    def start_scheduled_run(scheduled_at: datetime, _context: Any) -> None:
        DBOS.run_step({"name": "make_run"}, make_run, scheduled_at)  # housekeeping queues it

    return start_scheduled_run


def _apply_schedule(cron: str | None, scheduled: Callable[[datetime, Any], None]) -> None:
    if cron is not None:
        DBOS.apply_schedules([{"schedule_name": SCHEDULED, "workflow_fn": scheduled, "schedule": cron}])
    elif DBOS.get_schedule(SCHEDULED) is not None:
        DBOS.delete_schedule(SCHEDULED)


def _dbos_config(settings: Settings, executor_id: str) -> DBOSConfig:
    return DBOSConfig(
        name=APPLICATION,
        system_database_url=settings.dbos_database_url,
        application_version=VERSION,
        executor_id=executor_id,
        log_level="WARNING",
        enable_otlp=False,
        notification_listener_polling_interval_sec=LISTENER_SECONDS,
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
    settings = Settings()
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
