"""A step tells how far it is, and learns that it must not go on."""

from threading import Event

import pytest
from sqlalchemy import Engine, event

from services.training import runs, store
from services.training.runs import Progress, RunHasEndedError, Step
from services.training.settings import Settings
from services.training.watch import REPORT_SECONDS, Interrupted, Watch
from shared.database import open_engine, writing
from tests.training.conftest import MOMENT
from tests.training.workers import ask_for, run_of


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def progress_of(engine: Engine, run_id: str) -> Progress | None:
    return run_of(engine, run_id).progress


def test_progress_is_written_twice_a_second_and_at_the_end(engine: Engine) -> None:
    run_id, clock = ask_for(engine), Clock()
    watch = Watch(engine, run_id, Step.FIT, Event(), clock)
    watch(1, 10, "loss 3")
    watch(2, 10)
    assert progress_of(engine, run_id) == Progress(Step.FIT, 1, 10, "loss 3")
    clock.seconds = REPORT_SECONDS
    watch(7, 10)
    assert progress_of(engine, run_id) == Progress(Step.FIT, 7, 10)
    watch(8, 10, "loss 1")
    watch.end()
    assert progress_of(engine, run_id) == Progress(Step.FIT, 10, 10, "loss 1")


def test_a_step_is_never_done_before_its_end(engine: Engine) -> None:
    """`done == total` ends a step for whoever follows the run."""
    run_id = ask_for(engine)
    Watch(engine, run_id, Step.FIT, Event())(10, 10)
    progress = progress_of(engine, run_id)
    assert progress is not None
    assert progress.done < progress.total


def test_a_worker_that_must_end_leaves_the_step_at_once(engine: Engine) -> None:
    stop = Event()
    watch = Watch(engine, ask_for(engine), Step.FIT, stop)
    watch(1, 10)
    stop.set()
    for tell in (lambda: watch(2, 10), watch.begin, lambda: watch.wait(1000.0, "waiting")):
        with pytest.raises(Interrupted):
            tell()
    assert not issubclass(Interrupted, Exception), "nothing may take it for the step's own failure"


def test_a_cancelled_run_leaves_the_step_with_the_next_report(engine: Engine) -> None:
    run_id, clock = ask_for(engine), Clock()
    watch = Watch(engine, run_id, Step.FIT, Event(), clock)
    watch(1, 10)
    with writing(engine) as session:
        store.change_run(session, run_id, lambda run: runs.cancel(run, MOMENT))
    watch(2, 10)
    clock.seconds = REPORT_SECONDS
    with pytest.raises(RunHasEndedError):
        watch(3, 10)


def test_a_locked_database_costs_a_report_but_not_the_run(engine: Engine, settings: Settings) -> None:
    if not settings.database_url.startswith("sqlite"):
        pytest.skip("only SQLite locks the whole database")
    run_id, clock = ask_for(engine), Clock()
    impatient = open_engine(settings.database_url)

    @event.listens_for(impatient, "connect")
    def be_impatient(connection: object, _record: object) -> None:
        connection.execute("PRAGMA busy_timeout=10")  # type: ignore[attr-defined]

    watch = Watch(impatient, run_id, Step.FIT, Event(), clock)
    with engine.connect() as other:
        other.exec_driver_sql("SELECT 1")  # begins immediately, and so keeps others from writing
        watch(1, 10)
    assert progress_of(engine, run_id) is None
    clock.seconds = REPORT_SECONDS
    watch(2, 10)
    assert progress_of(engine, run_id) == Progress(Step.FIT, 2, 10)
    impatient.dispose()
