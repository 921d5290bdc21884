"""A run goes from the queue to its end, whatever the worker, the peers and the snapshot do."""

import errno
import hashlib
import json
import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest
import structlog
from dbos import DBOS, DBOSClient
from fsspec.implementations.local import LocalFileSystem
from sqlalchemy import Engine

from services.training import runs, store
from services.training.artifacts import WORKING_FILES
from services.training.housekeeping import BEATS_PER_LEASE
from services.training.leases import ExecutorId, ExecutorIdInUseError
from services.training.peers import Peers
from services.training.runs import State, Step
from services.training.schedules import run_for_new_labels, run_for_schedule
from services.training.settings import Settings
from services.training.workflow import APPLICATION, VERSION, enqueue_options
from shared.database import reading, writing
from shared.release_card import ReleaseCard
from tests.training.conftest import MOMENT
from tests.training.fakes import FakeIngestion, FakeRegistry
from tests.training.snapshots import freeze, make_row, make_rows
from tests.training.workers import ENDLESS, QUICK, ask_for, run_of, until, wait_for_end, working


class FullDisk(LocalFileSystem):
    """A disk that takes nothing."""

    protocol = "fulldisk"

    def pipe_file(self, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(autouse=True)
def blank_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the plots out, which test_report.py looks at: they take longer than all the rest."""
    monkeypatch.setattr("services.training.steps.render_report", lambda *_: b"<!doctype html>")


def events(engine: Engine, run_id: str) -> list[tuple[str, dict[str, object]]]:
    with reading(engine) as session:
        return [(event.kind, json.loads(event.content)) for event in store.events_after(session, run_id, 0)]


def is_fitting(engine: Engine, run_id: str) -> bool:
    progress = run_of(engine, run_id).progress
    return progress is not None and progress.step is Step.FIT and progress.done > 0


def test_a_run_makes_a_candidate_that_the_registry_takes(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion, registry: FakeRegistry
) -> None:
    frozen = ingestion.add(freeze())
    run_id = ask_for(engine)
    with working(settings, peers):
        run = wait_for_end(engine, run_id)
    assert run.state is State.SUCCEEDED
    assert run.snapshot == frozen.id
    version = f"20250601-120030-{run_id[:8]}"
    assert run.release == version
    card = ReleaseCard.model_validate(registry.card(version))
    assert card.run_id == run_id
    assert card.data_digest == frozen.digest
    assert card.recipe_digest == QUICK.digest
    assert card.model.sha256 == f"sha256:{hashlib.sha256(registry.model(version)).hexdigest()}"
    assert all(figures.recall is not None for figures in card.evaluation.values())
    groups = {(group["kind"], group["name"]) for group in registry.evidence[version]["groups"]}
    assert {("legitimate", "personal"), ("category", "porn"), ("category", "promotion"), ("topic", "code")} <= groups


def test_followers_see_every_step_begin_and_end_in_order(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion
) -> None:
    ingestion.add(freeze())
    run_id = ask_for(engine)
    with working(settings, peers):
        wait_for_end(engine, run_id)
    told = events(engine, run_id)
    progress = [
        (str(content["step"]), content["done"] == content["total"]) for kind, content in told if kind == "progress"
    ]
    assert [step for step, done in progress if done] == [step.value for step in Step]
    assert [step for step, _ in progress] == sorted((step for step, _ in progress), key=[*Step].index)
    assert [content["state"] for kind, content in told if kind == "state"] == ["queued", "running", "succeeded"]
    assert told[-1][0] == "end"


def test_the_files_stay_but_no_text_of_a_message_does(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion
) -> None:
    ingestion.add(freeze([*make_rows(), make_row("z-1", "planted phrase of a private message", "personal")]))
    run_id = ask_for(engine)
    with working(settings, peers):
        wait_for_end(engine, run_id)
    folder = Path(settings.runs_url) / run_id
    until(lambda: not {path.name for path in folder.iterdir()} & set(WORKING_FILES), "working files are removed")
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(kept) == {
        "model.onnx",
        "card.json",
        "evidence.json",
        "evaluation.json",
        "report.html",
        "thresholds.json",
    }
    assert not [name for name, content in kept.items() if b"planted phrase" in content]


def test_one_snapshot_and_recipe_make_one_model(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion, registry: FakeRegistry
) -> None:
    ingestion.add(freeze())
    with working(settings, peers):
        ended = [wait_for_end(engine, ask_for(engine)) for _ in range(2)]
    first, second = (str(run.release) for run in ended)
    assert registry.model(first) == registry.model(second)
    differing = {name for name, value in registry.card(first).items() if value != registry.card(second)[name]}
    assert differing <= {"run_id", "version", "created_at"}


def test_a_candidate_is_compared_with_the_release_in_service(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion, registry: FakeRegistry
) -> None:
    ingestion.add(freeze())
    with working(settings, peers):
        registry.in_service = wait_for_end(engine, ask_for(engine)).release
        second = wait_for_end(engine, ask_for(engine))
    evidence = registry.evidence[str(second.release)]
    assert evidence["reference"] == registry.in_service
    for group in evidence["groups"]:  # it is the same model
        assert group["only_candidate_right"] == group["only_reference_right"] == 0
    assert sum(group["both_right"] for group in evidence["groups"]) > 0


def test_a_refusal_of_the_gate_ends_the_run_with_its_reasons(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion, registry: FakeRegistry
) -> None:
    ingestion.add(freeze())
    registry.reasons = ["it hides codes", "it is too large"]
    run_id = ask_for(engine)
    with working(settings, peers):
        run = wait_for_end(engine, run_id)
    assert run.state is State.REFUSED
    assert run.ending is not None
    assert run.ending.reasons == ("it hides codes", "it is too large")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "holds no labelled report"),
        (make_rows(categories=["porn"]), "Every report in it is porn"),
        (make_rows(categories=["personal", "promotion"]), "no harassment message to learn from"),
        (make_rows(categories=["promotion", "fraud"]), "no legitimate message to learn from"),
        ([make_row(f"{n}", "你好", "personal", held_out=n > 0) for n in range(9)]
         + [make_row(f"x{n}", "加微", "porn", held_out=True) for n in range(9)], "no harassment message"),
    ],
    ids=["none", "one category", "no harassment", "no legitimate", "all held out"],
)  # fmt: skip
def test_a_snapshot_that_cannot_be_learned_from_is_refused_in_words(  # noqa: PLR0917 - fixtures
    settings: Settings,
    engine: Engine,
    peers: Peers,
    ingestion: FakeIngestion,
    rows: list[dict[str, object]],
    words: str,
) -> None:
    ingestion.add(freeze(rows))
    run_id = ask_for(engine)
    with working(settings, peers):
        run = wait_for_end(engine, run_id)
    assert run.state is State.FAILED
    assert run.ending is not None
    assert run.ending.word == "unusable-snapshot"
    assert words in run.ending.detail


@pytest.mark.parametrize("snapshot", ["latest", "unheard-of"])
def test_a_snapshot_that_does_not_exist_ends_the_run_in_words(
    settings: Settings, engine: Engine, peers: Peers, snapshot: str
) -> None:
    run_id = ask_for(engine, snapshot)
    with working(settings, peers):
        run = wait_for_end(engine, run_id)
    assert run.state is State.FAILED
    assert run.ending is not None
    assert run.ending.word == "unknown-snapshot"
    assert "/ingestion/v1/snapshots" in run.ending.detail


def test_a_changed_byte_in_the_snapshot_is_noticed(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = ingestion.add(freeze())
    monkeypatch.setattr(peers.ingestion, "download", lambda _: frozen.parquet[:-1] + b"?")
    run_id = ask_for(engine)
    with working(settings, peers):
        run = wait_for_end(engine, run_id)
    assert run.ending is not None
    assert run.ending.word == "damaged-snapshot"


def test_a_peer_that_comes_back_in_time_does_no_harm(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion, registry: FakeRegistry
) -> None:
    ingestion.add(freeze())
    ingestion.failures = registry.failures = 2
    run_id = ask_for(engine)
    patient = settings.model_copy(update={"patience_seconds": 30.0})
    with working(patient, peers):
        run = wait_for_end(engine, run_id)
    assert run.state is State.SUCCEEDED
    notes = [str(content.get("note")) for kind, content in events(engine, run_id) if kind == "progress"]
    assert any("trying again" in note for note in notes)


def test_a_peer_that_stays_away_ends_the_run_in_words(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion
) -> None:
    ingestion.add(freeze())
    ingestion.failures = 1_000_000
    run_id = ask_for(engine)
    with working(settings, peers):
        run = wait_for_end(engine, run_id)
    assert run.state is State.FAILED
    assert run.ending is not None
    assert run.ending.word == "peer-failed"
    assert "ingestion answered 503" in run.ending.detail


def test_a_full_disk_ends_the_run_in_words(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion
) -> None:
    ingestion.add(freeze())
    run_id = ask_for(engine)
    fsspec.register_implementation("fulldisk", FullDisk, clobber=True)
    full = settings.model_copy(update={"runs_url": f"fulldisk://{settings.runs_url}"})
    with working(full, peers):
        run = wait_for_end(engine, run_id)
    assert run.ending is not None
    assert run.ending.word == "storage-full"


def test_cancelling_ends_a_fit_within_seconds(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion, registry: FakeRegistry
) -> None:
    ingestion.add(freeze(make_rows(each=100)))
    run_id = ask_for(engine, recipe=ENDLESS)
    with working(settings, peers):
        until(lambda: is_fitting(engine, run_id), "the fit is under way")
        with writing(engine) as session:
            store.change_run(session, run_id, lambda run: runs.cancel(run, MOMENT))
        next_id = ask_for(engine)
        assert wait_for_end(engine, next_id).state is State.SUCCEEDED
    assert run_of(engine, run_id).state is State.CANCELLED
    assert registry.submissions == 1


def test_a_run_that_was_cancelled_in_the_queue_never_begins(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion
) -> None:
    ingestion.add(freeze())
    cancelled, next_id = ask_for(engine), ask_for(engine)
    with writing(engine) as session:
        store.change_run(session, cancelled, lambda run: runs.cancel(run, MOMENT))
    with working(settings, peers):
        wait_for_end(engine, next_id)
    assert [content["state"] for kind, content in events(engine, cancelled) if kind == "state"] == [
        "queued",
        "cancelled",
    ]


def test_a_stopped_worker_leaves_a_run_that_goes_on_at_the_next_start(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion
) -> None:
    ingestion.add(freeze(make_rows(each=100)))
    run_id = ask_for(engine, recipe=ENDLESS)
    with working(settings, peers) as worker:
        until(lambda: is_fitting(engine, run_id), "the fit is under way")
        began = time.monotonic()
        worker.stop()
        assert time.monotonic() - began < 2.0
    assert run_of(engine, run_id).state is State.RUNNING
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
        thread.join(5.0)
    assert not [thread.name for thread in left if thread.is_alive()]
    assert run_count(engine) == 0


def run_count(engine: Engine) -> int:
    with reading(engine) as session:
        return len(store.list_runs(session, 10))


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
    with writing(engine) as session:
        store.beat(session, "dead-worker", MOMENT)
    with working(settings, peers):
        assert wait_for_end(engine, run_id).state is State.SUCCEEDED


def test_a_living_worker_keeps_its_run(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion
) -> None:
    ingestion.add(freeze())
    kept = ask_for(engine)
    claim_as("living-worker", settings, kept)
    slow = settings.model_copy(update={"lease_seconds": 2.0})
    done = threading.Event()

    def live() -> None:
        while not done.wait(slow.lease_seconds / 40):
            with writing(engine) as session:
                store.beat(session, "living-worker", MOMENT)

    with writing(engine) as session:
        store.beat(session, "living-worker", MOMENT)
    other = threading.Thread(target=live)
    other.start()
    try:
        with working(slow, peers):
            own_id = settings.executor_id_file.read_text()
            until(lambda: beats_of(engine, own_id) > 2 * BEATS_PER_LEASE, "two leases have passed")
    finally:
        done.set()
        other.join()
    assert run_of(engine, kept).state is State.QUEUED


def beats_of(engine: Engine, executor_id: str) -> int:
    with reading(engine) as session:
        return store.beats(session).get(executor_id, 0)


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
