"""One run can be followed through the logs of all three services, and one request through those that it reached."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from services.embedded import DataDirectory, Suite, start_suite
from shared.web.trail import RUN_HEADER, bind_trail, carried_headers, keep_trail, unbind_trail
from tests.training.snapshots import make_rows
from tests.training.workers import QUICK, until

Lines = list[dict[str, Any]]


@pytest.fixture
def logged() -> Iterator[Lines]:
    """All that is logged in this process, as whoever reads the logs sees it."""
    structlog.contextvars.clear_contextvars()  # Another test may have left a request in the middle.
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        yield lines


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Suite]:
    monkeypatch.setattr("services.training.steps.render_report", lambda *_: b"<!doctype html>")
    data = DataDirectory(tmp_path)
    data.prepare()
    suite = start_suite(data)
    yield suite
    suite.stop()


@pytest.fixture
def client(suite: Suite, tmp_path: Path) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {DataDirectory(tmp_path).admin_key()}"}
    with httpx.Client(transport=httpx.WSGITransport(suite.wsgi), base_url="http://suite", headers=headers) as client:
        yield client
    structlog.contextvars.clear_contextvars()


def freeze_something(client: httpx.Client) -> None:
    lines = [f'{{"text": "{row["text"]}", "category": "{row["category"]}"}}' for row in make_rows(each=12)]
    address = "/ingestion/v1/reports:import?source=desk"
    body = "\n".join(lines).encode()
    assert client.post(address, content=body, headers={"Content-Type": "application/x-ndjson"}).is_success
    assert client.post("/ingestion/v1/snapshots").status_code == 201


def test_a_run_is_followed_through_the_logs_of_all_three_services(logged: Lines, client: httpx.Client) -> None:
    freeze_something(client)
    body = {"recipe": QUICK.document()}
    answer = client.post("/training/v1/runs", json=body, headers={"X-Request-Id": "from-the-console"})
    run_id = answer.json()["id"]
    until(lambda: client.get(f"/training/v1/runs/{run_id}").json()["finished_at"] is not None, "the run ends")
    asked = [line for line in logged if line.get("request_id") == "from-the-console"]
    assert {line["service"] for line in asked} == {"training", "ingestion"}
    assert [line["run_id"] for line in asked if line["event"] == "run_asked_for"] == [run_id]
    of_the_run = [line for line in logged if line.get("run_id") == run_id]
    assert {line["service"] for line in of_the_run} == {"training", "ingestion", "registry"}
    calls = [line for line in of_the_run if line["event"] == "peer_called"]
    assert {line["peer"] for line in calls} == {"ingestion", "registry"}
    for call in calls:
        (answered,) = [
            line for line in of_the_run if line["event"] == "request" and line["request_id"] == call["request_id"]
        ]
        assert (answered["service"], answered["status"]) == (call["peer"], call["outcome"])
    steps = [line["step"] for line in of_the_run if line["event"] == "step_ended"]
    assert steps == ["begin", "read", "fit", "calibrate", "export", "evaluate", "submit", "finish"]
    (judged,) = [line for line in of_the_run if line["event"] == "candidate_judged"]
    assert judged["service"] == "registry"


def test_a_service_that_is_called_in_mid_request_leaves_no_id_behind() -> None:
    outer = bind_trail("training", "outer", "a" * 32)
    inner = bind_trail("ingestion", "inner", None)
    assert carried_headers()["X-Request-Id"] == "inner"
    unbind_trail(inner)
    assert carried_headers() == {"X-Request-Id": "outer", RUN_HEADER: "a" * 32}
    unbind_trail(outer)
    assert RUN_HEADER not in carried_headers()


@pytest.mark.parametrize("strange", ["", "种下的句子", "a b", "x" * 65, "13800138000\n"])
def test_an_id_that_looks_like_none_is_replaced(strange: str) -> None:
    tokens = bind_trail("ingestion", strange, strange)
    headers = carried_headers()
    unbind_trail(tokens)
    assert strange not in headers.values()
    assert RUN_HEADER not in headers


def test_a_stream_is_logged_under_the_ids_of_its_request_wherever_it_is_read(logged: Lines) -> None:
    def stream() -> Iterator[int]:
        for number in range(2):
            structlog.get_logger().info("read", number=number)
            yield number

    tokens = bind_trail("ingestion", "first", None)
    kept = keep_trail(stream())
    next(kept)
    unbind_trail(tokens)
    reader = threading.Thread(target=lambda: list(kept))
    reader.start()
    reader.join()
    assert [line["request_id"] for line in logged] == ["first", "first"]
    assert "request_id" not in structlog.contextvars.get_contextvars()
