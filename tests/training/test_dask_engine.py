"""A fit on a Dask cluster ends with the weights of one machine, on any number of workers and whichever of them die."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine

from mobile_model.classifier import HashedNgramClassifier
from services.training import parts as parts_module
from services.training.artifacts import MESSAGES, RunFolder
from services.training.dask_engine import DaskEngine, make_part
from services.training.failures import WorkerFailureError
from services.training.fitting import cross_fit, fit, local_engine
from services.training.parts import MessagesFile, arrange
from services.training.peers import Peers, PeerUnavailableError
from services.training.runs import State
from services.training.settings import Settings
from tests.system.suite import free_port
from tests.training.dask_clusters import Cluster, cluster, kill
from tests.training.fakes import FakeIngestion, FakeRegistry
from tests.training.snapshots import freeze, make_rows
from tests.training.test_fitting import messages, unheard
from tests.training.workers import (
    DEADLINE_SECONDS,
    ENDLESS,
    QUICK,
    ask_for,
    events,
    is_fitting,
    run_of,
    until,
    wait_for_end,
    working,
)

pytestmark = [pytest.mark.system, pytest.mark.enable_socket]

PATIENCE_SECONDS = 60.0
RECIPE = replace(QUICK, iterations=10)
ON_DASK = replace(QUICK, engine="dask")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes more parts than there are workers; workers take them from the file as they come."""
    monkeypatch.setattr(parts_module, "PART_MESSAGES", 80)


@pytest.fixture
def source(tmp_path: Path) -> MessagesFile:
    folder = RunFolder(str(tmp_path / "runs"), "run-1")
    folder.write(MESSAGES, arrange(messages(each=100).to_table(), RECIPE).to_parquet())
    return MessagesFile.find(folder)


@pytest.fixture
def two_workers(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path / "dask", 2) as two:
        yield two


def dask_engine(cluster: Cluster, source: MessagesFile, patience_seconds: float = PATIENCE_SECONDS) -> DaskEngine:
    return DaskEngine(cluster.address, source, RECIPE, lambda *_: None, patience_seconds)


def fit_here(source: MessagesFile) -> HashedNgramClassifier:
    return fit(local_engine(source, RECIPE, unheard), RECIPE, unheard)


def assert_equal(ours: HashedNgramClassifier, theirs: HashedNgramClassifier) -> None:
    assert np.abs(ours.coef_ - theirs.coef_).max() < 1e-6
    assert np.abs(ours.intercept_ - theirs.intercept_).max() < 1e-6
    assert ours.coef_.tobytes() == theirs.coef_.tobytes(), "on processors of one kind they are equal to the last bit"


def test_one_two_and_four_workers_find_the_weights_of_one_machine(tmp_path: Path, source: MessagesFile) -> None:
    expected = fit_here(source)
    expected_scores = cross_fit(local_engine(source, RECIPE, unheard), RECIPE, unheard)
    assert len(source.training) > 4
    with cluster(tmp_path / "dask", 0) as growing:
        for workers in (1, 2, 4):
            while len(growing.workers) < workers:
                growing.start_worker()
            growing.await_workers(workers)
            engine = dask_engine(growing, source)
            assert_equal(fit(engine, RECIPE, unheard), expected)
            scores = cross_fit(engine, RECIPE, unheard)
            assert scores.harassment.tolist() == expected_scores.harassment.tolist()
            assert scores.judged.tolist() == expected_scores.judged.tolist()
            assert scores.campaigns == expected_scores.campaigns
            engine.close()


def test_the_fit_goes_on_when_workers_are_killed_and_replaced(two_workers: Cluster, source: MessagesFile) -> None:
    engine = dask_engine(two_workers, source)
    left = iter([two_workers.workers[:1], [], two_workers.workers[1:]])

    def kill_some(done: int, _total: int, _note: str | None) -> None:
        if done == 2 * len(killed):
            killed.append(next(left, []))
            for process in killed[-1]:
                kill(process)
            if len(killed) == 3:
                two_workers.start_worker()

    killed: list[list[subprocess.Popen[bytes]]] = []
    assert_equal(fit(engine, RECIPE, kill_some), fit_here(source))
    engine.close()
    assert [len(some) for some in killed[:3]] == [1, 0, 1]


def test_a_cluster_that_does_nothing_is_told(tmp_path: Path, source: MessagesFile) -> None:
    with (
        cluster(tmp_path / "dask", 0) as empty,
        pytest.raises(PeerUnavailableError, match="does nothing; perhaps it has no workers"),
    ):
        dask_engine(empty, source, patience_seconds=1.0)


def test_a_scheduler_that_does_not_answer_is_told(source: MessagesFile) -> None:
    with pytest.raises(PeerUnavailableError, match="does not answer"):
        DaskEngine(f"tcp://127.0.0.1:{free_port()}", source, RECIPE, lambda *_: None, PATIENCE_SECONDS)


def test_other_code_at_the_workers_is_refused(source: MessagesFile) -> None:
    with pytest.raises(WorkerFailureError, match="another version of Quietline"):
        make_part(source, source.training[0], RECIPE, ("0.0.0", RECIPE.digest))


@pytest.fixture
def expected(  # noqa: PLR0917 - fixtures
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion, registry: FakeRegistry,
    blank_report: None,
) -> bytes:  # fmt: skip
    """The model of a run that needs no cluster."""
    del blank_report
    ingestion.add(freeze(make_rows(each=100)))
    with working(settings, peers):
        return registry.model(str(wait_for_end(engine, ask_for(engine, recipe=QUICK)).release))


def on(cluster: Cluster, settings: Settings) -> Settings:
    return settings.model_copy(update={"dask_scheduler": cluster.address, "patience_seconds": PATIENCE_SECONDS})


def test_a_run_makes_the_model_of_one_machine_though_its_scheduler_is_lost(  # noqa: PLR0917 - fixtures
    settings: Settings, engine: Engine, peers: Peers, registry: FakeRegistry, expected: bytes, two_workers: Cluster
) -> None:
    lost = on(two_workers, settings)
    port = int(two_workers.address.rpartition(":")[2])
    run_id = ask_for(engine, recipe=ON_DASK)
    with working(lost, peers):
        until(lambda: is_fitting(engine, run_id), "the fit is under way")
        kill(two_workers.scheduler)
        two_workers.start_scheduler(port)
        two_workers.start_worker()
        run = wait_for_end(engine, run_id)
    assert run.state is State.SUCCEEDED, run.ending
    assert registry.model(str(run.release)) == expected
    words = [str(content.get("words")) for kind, content in events(engine, run_id) if kind == "log"]
    assert any("the Dask cluster is lost" in line and "beginning this step again" in line for line in words)


def test_a_fit_on_a_cluster_is_left_in_time_when_the_worker_must_end(
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion, two_workers: Cluster
) -> None:
    ingestion.add(freeze(make_rows(each=100)))
    run_id = ask_for(engine, recipe=replace(ENDLESS, engine="dask"))
    with working(on(two_workers, settings), peers) as worker:
        until(lambda: is_fitting(engine, run_id), "the fit is under way")
        for process in two_workers.workers:
            kill(process)  # so that no iteration ends any more
        began = time.monotonic()
        worker.stop(DEADLINE_SECONDS)
        assert time.monotonic() - began < 5.0
    assert run_of(engine, run_id).state is State.RUNNING


@pytest.mark.parametrize(("address", "words"), [
    (None, "QUIETLINE_TRAINING_DASK_SCHEDULER names none"),
    ("tcp://127.0.0.1:1", "the Dask scheduler does not answer"),
])  # fmt: skip
def test_a_run_without_its_cluster_ends_in_words(  # noqa: PLR0917 - fixtures
    settings: Settings, engine: Engine, peers: Peers, ingestion: FakeIngestion, address: str | None, words: str
) -> None:
    ingestion.add(freeze())
    run_id = ask_for(engine, recipe=ON_DASK)
    with working(settings.model_copy(update={"dask_scheduler": address}), peers):
        run = wait_for_end(engine, run_id)
    assert run.ending is not None
    assert words in run.ending.detail


def test_a_worker_without_dask_says_so(source: MessagesFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(WorkerFailureError, match="extra `scale`"):
        DaskEngine("tcp://127.0.0.1:1", source, RECIPE, lambda *_: None, PATIENCE_SECONDS)
