"""The optional profile: a run that is fitted on a cluster makes the model that one machine makes."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from services.ingestion.starter_corpus import read_starter_corpus
from tests.compose.stack import Stack
from tests.system.scenario import import_lines, run_to_the_end, typical_corpus
from tests.system.suite import until

pytestmark = [pytest.mark.compose, pytest.mark.enable_socket]

CLUSTER = ("dask-scheduler", "dask-worker")


@pytest.fixture
def cluster(stack: Stack) -> Iterator[None]:
    stack.compose("--profile", "scale", "up", "--detach", "--no-build", *CLUSTER)
    yield
    stack.compose("--profile", "scale", "rm", "--stop", "--force", *CLUSTER)


def are_well(stack: Stack) -> bool:
    return all(state == "healthy" for service in CLUSTER for state in stack.healths(service))


def test_a_cluster_makes_the_model_of_one_machine(stack: Stack, cluster: None) -> None:  # noqa: ARG001 - runs meanwhile
    until(lambda: are_well(stack), "scheduler and workers are well", 180)
    assert len(stack.containers("dask-worker")) == 2
    with closing(stack.client()) as client:
        import_lines(client, typical_corpus(read_starter_corpus()))
        snapshot = client.post("/ingestion/v1/snapshots")["id"]
        ended = [run_to_the_end(client, snapshot, recipe={"engine": engine}) for engine in ("dask", "local")]
        models = [client.get_bytes(f"/registry/v1/releases/{run['release']}/model") for run in ended]
    assert models[0] == models[1]
    joined = [line for line in stack.compose("logs", "--no-color", "dask-scheduler").splitlines() if "Register" in line]
    assert len(joined) >= 2


def test_only_training_workers_reach_the_cluster(stack: Stack, cluster: None) -> None:  # noqa: ARG001 - as above
    for service in ("ingestion", "training-api", "registry", "edge"):
        networks = stack.inspect(service)["NetworkSettings"]["Networks"]
        assert f"{stack.name}_cluster" not in networks, service
    scheduler = stack.inspect("dask-scheduler")
    assert set(scheduler["NetworkSettings"]["Networks"]) == {f"{stack.name}_cluster"}
    assert not scheduler["HostConfig"]["PortBindings"]
