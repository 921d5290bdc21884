"""Runs, steps and workers are shown to Prometheus as the database knows them, whichever process did the work."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from services.training import runs, store
from services.training.peers import Peers
from services.training.runs import Step
from services.training.settings import Settings
from shared.database import writing
from tests.databases import taken_away
from tests.shared.test_metrics import samples
from tests.training.conftest import MOMENT, Training
from tests.training.fakes import FakeIngestion
from tests.training.snapshots import freeze
from tests.training.test_api import change
from tests.training.workers import ask_for, show_life, wait_for_end, working


def page(training: Training) -> dict[str, float]:
    return samples(training.app.test_client().get("/metrics").data)


def test_runs_are_shown_by_state_and_the_queue_by_its_age(training: Training, engine: Engine) -> None:
    assert page(training)["quietline_queue_age_seconds"] == 0.0
    ended, _queued, old = ask_for(engine), ask_for(engine), ask_for(engine)
    change(engine, ended, lambda run: runs.cancel(run, MOMENT))
    with writing(engine) as session:
        row = session.get_one(store.RunRow, old)
        row.created_at = MOMENT - timedelta(seconds=40)
    shown = page(training)
    by_state = {name: value for name, value in shown.items() if name.startswith("quietline_runs{")}
    assert len(by_state) == len(runs.State)
    assert (by_state['quietline_runs{state="queued"}'], by_state['quietline_runs{state="cancelled"}']) == (2.0, 1.0)
    assert shown["quietline_queue_age_seconds"] == 40.0


def test_the_youngest_heartbeat_counts(training: Training, engine: Engine) -> None:
    assert "quietline_worker_heartbeat_age_seconds" not in page(training)
    show_life(engine, MOMENT - timedelta(seconds=7))
    with writing(engine) as session:
        store.beat(session, "another", MOMENT - timedelta(hours=1))
    assert page(training)["quietline_worker_heartbeat_age_seconds"] == 7.0


@pytest.mark.usefixtures("blank_report")
def test_every_step_of_a_run_is_timed(
    training: Training, settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion
) -> None:
    ingestion.add(freeze())
    run_id = ask_for(engine)
    with working(settings, peers):
        wait_for_end(engine, run_id)
    shown = page(training)
    for step in Step:
        assert shown[f'quietline_run_step_seconds_count{{step="{step}"}}'] == 1.0
        assert shown[f'quietline_run_step_seconds_sum{{step="{step}"}}'] > 0.0


def test_a_step_that_is_done_again_counts_once(training: Training, engine: Engine) -> None:
    run_id = ask_for(engine)
    for seconds in (9.0, 2.5):
        with writing(engine) as session:
            store.set_step_seconds(session, run_id, Step.FIT, seconds)
    shown = page(training)
    assert shown['quietline_run_step_seconds_count{step="fit"}'] == 1.0
    assert shown['quietline_run_step_seconds_sum{step="fit"}'] == 2.5


def test_the_page_is_shown_while_the_database_is_gone(training: Training) -> None:
    with taken_away(training.app.extensions["engine"]):
        shown = page(training)
    assert shown["quietline_unread_metrics"] == 4.0
