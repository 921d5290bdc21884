"""Runs start by themselves: at moments, and for new labels; one for one occasion."""

from datetime import UTC, datetime

import pytest
from dbos import DBOS
from sqlalchemy import Engine

from services.training import store
from services.training.peers import Peers
from services.training.schedules import run_for_new_labels, run_for_schedule
from services.training.settings import Settings
from shared.database import reading
from tests.training.conftest import MOMENT
from tests.training.fakes import FakeIngestion
from tests.training.snapshots import freeze
from tests.training.workers import run_count, run_of, until, working

pytestmark = pytest.mark.usefixtures("blank_report")


def test_a_schedule_makes_one_run_for_one_moment(engine: Engine, peers: Peers, ingestion: FakeIngestion) -> None:
    ingestion.frozen_next = freeze(snapshot_id="fresh")
    moment = datetime(2025, 6, 1, 2, 30, tzinfo=UTC)
    made = {run_for_schedule(engine, peers, moment, MOMENT) for _ in range(3)}
    assert len(made) == 1
    assert run_of(engine, made.pop()).snapshot == "fresh"
    assert run_for_schedule(engine, peers, moment.replace(hour=3), MOMENT)
    assert run_count(engine) == 2


def test_a_schedule_that_is_due_starts_a_run(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion
) -> None:
    ingestion.frozen_next = freeze(snapshot_id="fresh")
    every_second = settings.model_copy(update={"schedule": "* * * * * *"})
    with working(every_second, peers):
        until(lambda: run_count(engine) >= 2, "the schedule made runs")
    with reading(engine) as session:
        assert {run.requested_by for run in store.list_runs(session, 10)} == {"schedule"}
    with working(settings, peers):
        assert DBOS.list_schedules() == []


def test_enough_new_labels_start_one_run(engine: Engine, peers: Peers, ingestion: FakeIngestion) -> None:
    def ask(verified: int) -> str | None:
        ingestion.verified = verified
        return run_for_new_labels(engine, peers, 100, lambda: MOMENT)

    assert ask(5000) is None, "the first count is only remembered"
    assert ask(5099) is None
    run_id = ask(5100)
    assert run_id is not None
    assert run_of(engine, run_id).requested_by == "new labels"
    assert ask(5100) is None
    assert ask(5300) is not None
    assert ask(10) is None, "ingestion was set up anew"
    assert ask(110) is not None


def test_labels_are_polled_while_the_worker_lives(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion
) -> None:
    ingestion.add(freeze())
    polling = settings.model_copy(update={"new_labels_per_run": 10, "poll_seconds": 0.01})
    with working(polling, peers):
        until(lambda: "GET /v1/labels/count" in ingestion.asked, "the count is asked for")
        ingestion.verified = 10
        until(lambda: run_count(engine) == 1, "a run is made")
