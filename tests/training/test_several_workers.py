"""Several worker processes share one queue: each run is done once, and a worker that dies for good is replaced."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from threading import Event

import pytest
from dbos import DBOSClient, WorkflowStatus
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from services.training import store
from services.training.housekeeping import BEATS_PER_LEASE
from services.training.runs import State, Step
from services.training.settings import Settings
from services.training.workflow import APPLICATION
from shared.database import open_engine, reading, writing
from tests.training.fakes import FakeIngestion, FakeRegistry
from tests.training.killable_worker import log_of, worker_process
from tests.training.snapshots import freeze, make_rows
from tests.training.test_killed_runs import check, finish, last_event
from tests.training.workers import DEADLINE_SECONDS, ask_for, run_of, until

pytestmark = [pytest.mark.system, pytest.mark.enable_socket]

LEASE_SECONDS = 1.0
STEPS = ["begin", *Step, "finish"]
HELD = "snapshot-held-back"
RUNS = 6


@pytest.fixture
def first(served: Settings) -> Settings:
    return served.model_copy(update={"lease_seconds": LEASE_SECONDS})


@pytest.fixture
def second(first: Settings) -> Settings:
    other = first.executor_id_file.with_name("second")
    other.mkdir()
    return first.model_copy(update={"executor_id_file": other / "executor-id"})


@pytest.fixture
def gate(ingestion: FakeIngestion) -> Iterator[Event]:
    """Keeps back the data of a snapshot, so that its run stays in the middle for as long as a test wants."""
    ingestion.add(freeze(make_rows(each=60), HELD))
    gate = ingestion.held_back[HELD] = Event()
    yield gate
    gate.set()


@contextmanager
def hanging(process: BaseProcess, settings: Settings) -> Iterator[None]:
    """Keeps a process from doing anything, as a machine that hangs does, but not while it keeps others from writing."""
    databases = [open_engine(url) for url in (settings.database_url, settings.dbos_database_url)]

    def hangs_alone() -> bool:
        os.kill(process.pid or 0, signal.SIGSTOP)
        if all(map(is_free, databases)):
            return True
        os.kill(process.pid or 0, signal.SIGCONT)
        return False

    until(hangs_alone, "the process hangs")
    try:
        yield
    finally:
        os.kill(process.pid or 0, signal.SIGCONT)
        for database in databases:
            database.dispose()


def is_free(database: Engine) -> bool:
    try:
        with writing(database) as session:
            session.execute(text("SELECT 1"))
    except OperationalError:
        return False
    return True


@contextmanager
def dbos(settings: Settings) -> Iterator[DBOSClient]:
    client = DBOSClient(system_database_url=settings.dbos_database_url, application_name=APPLICATION)
    yield client
    client.destroy()


def executor(settings: Settings) -> str:
    return settings.executor_id_file.read_text()


def workflow(client: DBOSClient, run_id: str) -> WorkflowStatus:
    return client.retrieve_workflow(run_id).get_status()


def beats(engine: Engine, settings: Settings) -> int:
    with reading(engine) as session:
        return store.beats(session).get(executor(settings), 0) if settings.executor_id_file.exists() else 0


def await_leases(engine: Engine, settings: Settings, leases: int = 2) -> None:
    """Waits until a worker has looked after the others for so many leases."""
    wanted = beats(engine, settings) + leases * BEATS_PER_LEASE
    until(lambda: beats(engine, settings) >= wanted, "the worker keeps house")


def steps_done(client: DBOSClient, run_id: str) -> list[str]:
    return [step["function_name"] for step in client.list_workflow_steps(run_id)]


def downloads(ingestion: FakeIngestion) -> Counter[str]:
    return Counter(asked.split("/")[-2] for asked in ingestion.asked if asked.endswith("/data"))


def has_ended(engine: Engine, client: DBOSClient, run_id: str) -> Callable[[], bool]:
    def is_done() -> bool:
        return run_of(engine, run_id).state.is_end and workflow(client, run_id).status == "SUCCESS"

    return is_done


def test_a_worker_that_starts_in_mid_run_leaves_that_run_alone_and_does_the_next(  # noqa: PLR0917 - fixtures
    first: Settings, second: Settings, engine: Engine, ingestion: FakeIngestion, registry: FakeRegistry, gate: Event
) -> None:
    with dbos(first) as client, worker_process(first):
        slow = ask_for(engine, HELD)
        until(lambda: bool(downloads(ingestion)[HELD]), "the first worker has the run")
        with worker_process(second):
            quick = ask_for(engine, "snapshot-1")
            until(has_ended(engine, client, quick), "the second worker does the next run")
            await_leases(engine, second)
            assert run_of(engine, slow).state is State.RUNNING
            gate.set()
            until(has_ended(engine, client, slow), "the first worker ends its run")
        assert workflow(client, slow).executor_id == executor(first)
        assert workflow(client, quick).executor_id == executor(second)
        assert steps_done(client, slow) == steps_done(client, quick) == STEPS
    assert downloads(ingestion) == {HELD: 1, "snapshot-1": 1}
    assert registry.submissions == 2


def test_each_of_many_runs_is_done_by_one_worker_once(
    first: Settings, second: Settings, engine: Engine, ingestion: FakeIngestion, registry: FakeRegistry
) -> None:
    asked = [ask_for(engine, "snapshot-1") for _ in range(RUNS)]
    with dbos(first) as client, worker_process(first), worker_process(second):
        for run_id in asked:
            until(has_ended(engine, client, run_id), "the run ends")
        assert [steps_done(client, run_id) for run_id in asked] == [STEPS] * RUNS
        assert {workflow(client, run_id).executor_id for run_id in asked} == {executor(first), executor(second)}
    assert downloads(ingestion) == {"snapshot-1": RUNS}
    assert registry.submissions == len(registry.releases) == RUNS


def test_the_run_of_a_worker_that_died_in_a_step_is_done_by_the_survivor(  # noqa: PLR0917 - fixtures
    first: Settings, second: Settings, engine: Engine, ingestion: FakeIngestion, registry: FakeRegistry, gate: Event
) -> None:
    with dbos(first) as client, worker_process(first) as process:
        run_id = ask_for(engine, HELD)
        until(lambda: bool(downloads(ingestion)[HELD]), "the first worker is in its first step")
        with worker_process(second):
            await_leases(engine, second)
            process.kill()
            process.join()
            gate.set()
            until(has_ended(engine, client, run_id), "the survivor ends the run")
        assert workflow(client, run_id).executor_id == executor(second)
    assert run_of(engine, run_id).state is State.SUCCEEDED
    assert registry.submissions == 1


@pytest.mark.parametrize("step", [Step.FIT, Step.EVALUATE, Step.SUBMIT, "finish"])
def test_the_run_of_a_worker_that_died_behind_a_steps_effect_ends_with_the_same_model(  # noqa: PLR0917 - fixtures
    first: Settings, second: Settings, engine: Engine, registry: FakeRegistry, ingestion: FakeIngestion, step: str
) -> None:
    undisturbed = ask_for(engine, "snapshot-1")
    finish(first, engine, undisturbed)
    expected = registry.model(str(run_of(engine, undisturbed).release))
    run_id = ask_for(engine, "snapshot-1")
    with worker_process(first, step) as process:
        process.join(DEADLINE_SECONDS)
        assert process.exitcode == -signal.SIGKILL, log_of(first).read_text()[-3000:]
    with dbos(first) as client, worker_process(second):
        until(has_ended(engine, client, run_id), "the survivor ends the run")
        assert workflow(client, run_id).executor_id == executor(second)
    check(second, engine, registry, run_id, expected)
    assert downloads(ingestion) == {"snapshot-1": 2}


def test_a_worker_that_comes_back_after_its_run_was_taken_over_does_no_harm(  # noqa: PLR0917 - fixtures
    first: Settings, second: Settings, engine: Engine, ingestion: FakeIngestion, registry: FakeRegistry, gate: Event
) -> None:
    """It hangs in a step for longer than its lease, and goes on with that step when another worker ended the run."""
    with dbos(first) as client, worker_process(first) as process:
        run_id = ask_for(engine, HELD)
        until(lambda: bool(downloads(ingestion)[HELD]), "the first worker is in its first step")
        with hanging(process, first), worker_process(second):
            gate.set()
            until(has_ended(engine, client, run_id), "the second worker ends the run")
            ended, told = run_of(engine, run_id), last_event(engine, run_id)
        next_run = ask_for(engine, "snapshot-1")
        until(has_ended(engine, client, next_run), "the first worker leaves the run and does the next")
        assert workflow(client, next_run).executor_id == executor(first)
    assert ended.state is State.SUCCEEDED
    assert (run_of(engine, run_id), last_event(engine, run_id)) == (ended, told)
    assert registry.submissions == 2
