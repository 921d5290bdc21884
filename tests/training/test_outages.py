"""What training does while its database is away: it says so, loses nothing, and goes on by itself."""

from random import Random
from threading import Event

import pytest
from dbos._dbos import _get_dbos_instance
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from services.training import runs
from services.training.events import stream_events
from services.training.patience import Patience, Tries
from services.training.peers import Peers
from services.training.runs import State, Step
from services.training.settings import Settings
from services.training.steps import Steps
from services.training.watch import Interrupted
from services.training.workflow import through_outages
from tests.databases import taken_away
from tests.training.conftest import MOMENT, Training
from tests.training.fakes import FakeIngestion
from tests.training.snapshots import freeze, make_rows
from tests.training.test_api import change, read_events
from tests.training.workers import DEADLINE_SECONDS, ask_for, until, wait_for_end, working


def test_a_database_that_is_gone_is_told_and_comes_back_without_a_hand(
    training: Training, engine: Engine, ingestion: FakeIngestion
) -> None:
    ingestion.add(freeze())
    run_id = ask_for(engine)
    with taken_away(training.app.extensions["engine"]):
        answers = [
            training.post("/runs", {}),
            training.post("/runs", {}, headers={"Idempotency-Key": "once"}),
            training.get("/runs"),
            training.get(f"/runs/{run_id}"),
            training.get(f"/runs/{run_id}/events"),
            training.post(f"/runs/{run_id}/cancel"),
            training.app.test_client().get("/readyz"),
        ]
        assert training.app.test_client().get("/healthz").status_code == 200
    engine.dispose()
    for answer in answers:
        assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
        assert int(answer.headers["Retry-After"]) > 0
    assert training.get(f"/runs/{run_id}").json["state"] == "queued"
    assert training.post("/runs", {}, headers={"Idempotency-Key": "once"}).status_code == 202


def test_a_stream_that_loses_its_database_ends_so_that_its_reader_joins_again(engine: Engine) -> None:
    run_id = ask_for(engine)
    stream = stream_events(engine, run_id, 0, pause=lambda _: None)
    first = [next(stream), next(stream)]
    with taken_away(engine):
        assert list(stream) == []
    change(engine, run_id, lambda run: runs.cancel(run, MOMENT))
    rest = "".join(stream_events(engine, run_id, 1))
    assert [number for number, _, _ in read_events("".join(first) + rest)] == [1, 2, 3]


class Gone:
    """Work that finds its database gone so many times."""

    def __init__(self, times: int) -> None:
        self.times = times

    def __call__(self) -> str:
        self.times -= 1
        if self.times >= 0:
            raise OperationalError("SELECT", {}, Exception("gone"))
        return "done"


def short_tries(seconds: float = 60.0) -> Tries:
    return Tries(Patience(seconds, first_seconds=0.001, longest_seconds=0.001), Random(1))


def test_a_step_waits_for_its_database_and_is_done_then() -> None:
    assert through_outages(Gone(20), Event(), short_tries()) == "done"


def test_a_step_does_not_wait_for_ever() -> None:
    with pytest.raises(OperationalError):
        through_outages(Gone(2), Event(), short_tries(seconds=0.0))


def test_a_worker_that_must_end_waits_for_no_database() -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Interrupted):
        through_outages(Gone(2), stop, short_tries())


@pytest.mark.usefixtures("blank_report")
def test_a_run_goes_on_when_its_database_was_gone_for_longer_than_a_moment(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingestion.add(freeze())
    fit, outages, are_over = Steps.fit, iter(range(6)), Event()

    def fit_in_an_outage(steps: Steps, run_id: str) -> None:
        if next(outages, None) is not None:
            with taken_away(steps.engine):
                fit(steps, run_id)
        are_over.set()
        fit(steps, run_id)

    monkeypatch.setattr(Steps, "fit", fit_in_an_outage)
    monkeypatch.setattr(
        "services.training.workflow.DATABASE_PATIENCE", Patience(60.0, first_seconds=0.01, longest_seconds=0.01)
    )
    run_id = ask_for(engine)
    with working(settings, peers):
        assert are_over.wait(DEADLINE_SECONDS)
        engine.dispose()
        run = wait_for_end(engine, run_id)
    assert run.state is State.SUCCEEDED
    assert run.progress is not None
    assert run.progress.step is Step.SUBMIT


def test_a_run_whose_step_could_not_be_written_down_goes_on_by_itself(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion
) -> None:
    """The database of DBOS is gone when a step is done: DBOS leaves the run, and nothing works on it."""
    ingestion.add(freeze(make_rows(each=60), "snapshot-held-back"))
    gate = ingestion.held_back["snapshot-held-back"] = Event()
    run_id = ask_for(engine, "snapshot-held-back")
    with working(settings, peers) as worker:
        until(lambda: any(asked.endswith("/data") for asked in ingestion.asked), "the run is in its first step")
        with taken_away(_get_dbos_instance()._sys_db.engine):
            gate.set()
            until(lambda: not worker._occupation.runs(), "DBOS leaves the run")
        assert wait_for_end(engine, run_id).state is State.SUCCEEDED
