"""The main job over the edge: the same scenario as embedded, with TLS, PostgreSQL and a worker of its own."""

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mobile_model.updater import PhoneStore
from services.ingestion.bulk import BATCH
from services.ingestion.starter_corpus import read_starter_corpus
from tests.compose.engine import run
from tests.compose.stack import Stack
from tests.system.scenario import import_lines, run_to_the_end, typical_corpus, walk_the_road
from tests.system.suite import until

pytestmark = [pytest.mark.compose, pytest.mark.enable_socket]


@pytest.fixture(scope="module")
def road(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phone that walked the road."""
    phone = tmp_path_factory.mktemp("phone")
    client = stack.client()
    walk_the_road(client, typical_corpus(read_starter_corpus()), phone)
    client.close()
    return phone


def test_the_road_leads_to_a_phone_that_fetched_its_release_over_tls(stack: Stack, road: Path) -> None:
    release = PhoneStore(road).current()
    assert release is not None
    with closing(stack.client()) as client:
        assert client.get("/registry/v1/channels/stable")["release"] == release.card.version
    assert json.loads((road / "phone.json").read_text())["source"].startswith("https://")


def test_events_of_a_run_come_while_it_runs(stack: Stack, road: Path) -> None:  # noqa: ARG001 - makes a snapshot
    with closing(stack.client()) as client:
        run = client.post("/training/v1/runs", {"snapshot": "latest"})
        with closing(client.follow_run(run["id"])) as events:
            next(content for kind, content in events if kind == "progress")
            assert client.get(f"/training/v1/runs/{run['id']}")["state"] in {"queued", "running"}
            assert [kind for kind, _ in events][-1] == "end"


def test_an_import_that_takes_longer_to_store_than_to_send_arrives_whole(stack: Stack) -> None:
    """Both sides' sockets hold some megabytes; beyond them nginx hands on only what it is asked for in time."""
    count = 4 * BATCH
    lines = (json.dumps({"text": f"回执 {n}", "id": str(n), "note": "长" * 400}).encode() + b"\n" for n in range(count))
    with closing(stack.client()) as client:
        done = import_lines(client, lines, source="long")
    assert (done["read"], done["accepted"], done["unknown_columns"]) == (count, count, ["note"])


def test_no_container_writes_down_what_nobody_may_know(stack: Stack) -> None:
    planted, number = "种下的句子请勿外传", "13900001234"
    key = (stack.secrets / "admin.key").read_text("ascii")
    report = {"sender": f"+86{number}", "body": planted, "received_at": datetime.now(UTC).isoformat(), "consent": True}
    receipt = stack.ask("POST", "/ingestion/v1/reports", json=report)
    assert receipt.is_success
    for path in (f"/ingestion/v1/reports?q={planted}", f"/tuf/{number}", f"/nowhere/{planted}?{number}"):
        trail = stack.ask("GET", path, headers={"X-Note": number}).headers["X-Request-Id"]
    log = stack.log()
    assert trail in log
    secrets = [planted, number, key, receipt.json()["secret"]]
    secrets += [file.read_text().strip() for file in stack.secrets.glob("*-password")]
    for secret in secrets:
        assert secret not in log
    assert len(secrets) == 8


def test_an_id_of_the_caller_leads_through_the_logs_of_edge_and_service(stack: Stack) -> None:
    answer = stack.ask("GET", "/ingestion/v1/labels/count", headers={"X-Request-Id": "trail-of-one-request"})
    assert answer.headers["X-Request-Id"] == "trail-of-one-request"
    lines = [line for line in stack.log().splitlines() if "trail-of-one-request" in line]
    assert {json.loads(line[line.index("{") :])["service"] for line in lines} == {"edge", "ingestion"}


def executors(stack: Stack) -> list[list[str]]:
    """Gives the ids under which each replica of the worker started so far."""
    found = []
    for container in stack.containers("training-worker"):
        lines = run("docker", "logs", container, both=True).splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{")]
        found.append([event["executor"] for event in events if event["event"] == "worker_started"])
    return found


def test_two_workers_have_ids_of_their_own_and_keep_them(stack: Stack, road: Path) -> None:  # noqa: ARG001 - as above
    scale = ("up", "--detach", "--no-build", "--no-recreate", "--scale")
    stack.compose(*scale, "training-worker=2", "training-worker")
    try:
        until(lambda: len(executors(stack)) == 2 and all(executors(stack)), "both have started")
        first = {ids[-1] for ids in executors(stack)}
        counts = [len(ids) for ids in executors(stack)]
        stack.compose("restart", "--timeout", "20", "training-worker")
        until(
            lambda: all(len(ids) > count for ids, count in zip(executors(stack), counts, strict=True)),
            "both have started again",
        )
        assert {ids[-1] for ids in executors(stack)} == first
        assert len(first) == 2
        with closing(stack.client()) as client:
            run_to_the_end(client, "latest")
    finally:
        stack.compose(*scale, "training-worker=1", "training-worker")
