"""A run goes from the queue to its end, whatever the peers, the snapshot and the disk do."""

import errno
import hashlib
import os
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from sqlalchemy import Engine

from services.training import runs, store
from services.training.artifacts import WORKING_FILES
from services.training.peers import Peers
from services.training.runs import State, Step
from services.training.settings import Settings
from shared.database import writing
from shared.release_card import ReleaseCard
from tests.training.conftest import MOMENT
from tests.training.fakes import FakeIngestion, FakeRegistry
from tests.training.snapshots import freeze, make_row, make_rows
from tests.training.workers import ENDLESS, QUICK, ask_for, events, is_fitting, run_of, until, wait_for_end, working

pytestmark = pytest.mark.usefixtures("blank_report")


class FullDisk(LocalFileSystem):
    """A disk that takes nothing."""

    protocol = "fulldisk"

    def pipe_file(self, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


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
