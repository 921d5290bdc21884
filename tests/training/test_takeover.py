"""A run whose worker stopped, died or broke off is taken over or ended, and one whose worker lives is left alone."""

import json
import threading
from dataclasses import dataclass

import pytest
import structlog
from dbos import DBOS, DBOSClient
from sqlalchemy import Engine

from services.training import runs, store
from services.training.housekeeping import Housekeeping
from services.training.leases import ExecutorId, ExecutorIdInUseError
from services.training.peers import Peers
from services.training.runs import State, Step
from services.training.settings import Settings
from services.training.workflow import APPLICATION, VERSION, enqueue_options
from shared.database import writing
from tests.training.conftest import MOMENT
from tests.training.fakes import FakeIngestion
from tests.training.snapshots import freeze, make_rows
from tests.training.workers import (
    DEADLINE_SECONDS,
    ENDLESS,
    ask_for,
    events,
    is_fitting,
    run_count,
    run_of,
    until,
    wait_for_end,
    working,
)

pytestmark = pytest.mark.usefixtures("blank_report")


def test_a_stopped_worker_leaves_a_run_that_goes_on_at_the_next_start(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion
) -> None:
    ingestion.add(freeze(make_rows(each=100)))
    run_id = ask_for(engine, recipe=ENDLESS)
    with structlog.testing.capture_logs() as logged, working(settings, peers):
        until(lambda: is_fitting(engine, run_id), "the fit is under way")
    assert [entry["idle"] for entry in logged if entry["event"] == "worker_stopped"] == [True]
    left = run_of(engine, run_id)
    assert left.state is State.RUNNING
    assert left.progress is not None
    assert left.progress.step is Step.FIT
    assert left.progress.done < left.progress.total, "it did not wait for the fit to end"
    told = len(events(engine, run_id))
    with working(settings, peers):
        until(lambda: len(events(engine, run_id)) > told and is_fitting(engine, run_id), "the fit goes on")
        with writing(engine) as session:
            store.change_run(session, run_id, lambda run: runs.cancel(run, MOMENT))
    assert run_of(engine, run_id).state is State.CANCELLED


def test_a_stopped_worker_leaves_no_thread_behind(settings: Settings, engine: Engine, peers: Peers) -> None:
    before = set(threading.enumerate())
    with working(settings, peers):
        pass
    left = [thread for thread in threading.enumerate() if thread not in before]
    for thread in left:
        thread.join(DEADLINE_SECONDS)
    assert not [thread.name for thread in left if thread.is_alive()]
    assert run_count(engine) == 0


def test_two_workers_never_share_an_id(settings: Settings, engine: Engine, peers: Peers) -> None:
    assert run_count(engine) == 0
    with working(settings, peers), pytest.raises(ExecutorIdInUseError, match="EXECUTOR_ID_FILE"):
        ExecutorId.claim(settings.executor_id_file)
    again = ExecutorId.claim(settings.executor_id_file)
    again.release()
    assert again.value == settings.executor_id_file.read_text()


def test_a_survivor_takes_over_the_run_of_a_dead_worker(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion
) -> None:
    """The dead worker is played by its traces: a claimed workflow, and a lease whose count stands still."""
    ingestion.add(freeze())
    run_id = ask_for(engine)
    claim_as("dead-worker", settings, run_id)
    beat(engine, "dead-worker")
    with working(settings, peers):
        assert wait_for_end(engine, run_id).state is State.SUCCEEDED


@dataclass
class Seconds:
    """A monotonic clock that only the test moves."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_living_worker_keeps_its_run_until_it_stands_still(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion
) -> None:
    """The worker in this process looks once, when it starts; then an onlooker does, by the test's clock."""
    ingestion.add(freeze())
    run_id = ask_for(engine)
    claim_as("living-worker", settings, run_id)
    beat(engine, "living-worker")
    long = settings.model_copy(update={"lease_seconds": 3600.0})
    clock = Seconds()
    with working(long, peers):
        onlooker = Housekeeping(long, engine, peers, "onlooker", lambda: MOMENT, clock)
        for _ in range(4):
            beat(engine, "living-worker")
            onlooker.round()
            clock.now += 0.9 * long.lease_seconds
            onlooker.round()
        workflow = DBOS.get_workflow_status(run_id)
        assert (workflow.status, workflow.executor_id) == ("PENDING", "living-worker")
        assert run_of(engine, run_id).state is State.QUEUED
        clock.now += 0.2 * long.lease_seconds
        onlooker.round()
        assert wait_for_end(engine, run_id).state is State.SUCCEEDED


def beat(engine: Engine, executor_id: str) -> None:
    with writing(engine) as session:
        store.beat(session, executor_id, MOMENT)


def claim_as(executor_id: str, settings: Settings, run_id: str) -> None:
    """Leaves a workflow as a worker does that claimed it and did nothing more."""
    client = DBOSClient(system_database_url=settings.dbos_database_url, application_name=APPLICATION)
    client.enqueue(enqueue_options(run_id), run_id)
    workflows = client._sys_db.tables.workflow_status
    with client._sys_db.engine.begin() as connection:
        connection.execute(
            workflows.update()
            .where(workflows.c.workflow_uuid == run_id)
            .values(status="PENDING", executor_id=executor_id, application_version=VERSION)
        )
    client.destroy()


def test_a_workflow_that_ended_without_its_row_is_written_down(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion
) -> None:
    """The database of runs was restored from a backup that is older than DBOS's."""
    ingestion.add(freeze())
    run_id = ask_for(engine)
    with working(settings, peers):
        ended = wait_for_end(engine, run_id)
        until(lambda: DBOS.get_workflow_status(run_id).status == "SUCCESS", "DBOS knows it too")
    with writing(engine) as session:
        row = session.get(store.RunRow, run_id)
        assert row is not None
        row.state, row.finished_at, row.release = "running", None, None
    with working(settings, peers):
        again = wait_for_end(engine, run_id)
    assert (again.state, again.release) == (ended.state, ended.release)


def test_a_run_whose_workflow_broke_is_not_left_running(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingestion.add(freeze())

    def break_off(_snapshot: object) -> bytes:
        raise ZeroDivisionError("planted words of a private message")

    monkeypatch.setattr(peers.ingestion, "download", break_off)
    run_id = ask_for(engine)
    with structlog.testing.capture_logs() as logged, working(settings, peers):
        run = wait_for_end(engine, run_id)
    assert run.state is State.FAILED
    assert run.ending is not None
    assert run.ending.word == "worker-failed"
    assert [entry for entry in logged if entry["event"] == "dbos"]
    assert "planted" not in json.dumps([logged, run.document()], default=str)


def test_a_run_of_another_version_is_not_left_waiting(settings: Settings, engine: Engine, peers: Peers) -> None:
    run_id = ask_for(engine)
    client = DBOSClient(system_database_url=settings.dbos_database_url, application_name=APPLICATION)
    client.enqueue(enqueue_options(run_id) | {"app_version": "0"}, run_id)
    client.destroy()
    with working(settings, peers):
        run = wait_for_end(engine, run_id)
    assert run.ending is not None
    assert "another version" in run.ending.detail
