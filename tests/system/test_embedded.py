"""The embedded suite ends at Ctrl-C, loses nothing, keeps secrets, and says in words why it cannot start."""

import json
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.ingestion.starter_corpus import read_starter_corpus
from tests.system.scenario import import_lines, typical_corpus
from tests.system.suite import RunningSuite, free_port, run_command, running_suite, signal_group, until

pytestmark = [pytest.mark.system, pytest.mark.enable_socket]


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return typical_corpus(read_starter_corpus())


@pytest.fixture(scope="module")
def idle_suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSuite]:
    """A suite for tests that train nothing."""
    with running_suite(tmp_path_factory.mktemp("idle") / "var") as suite:
        yield suite


def test_ctrl_c_in_the_middle_of_a_fit_ends_in_five_seconds_and_the_run_goes_on(
    lines: list[bytes], tmp_path: Path
) -> None:
    with running_suite(tmp_path / "var") as suite:
        client = suite.client()
        import_lines(client, lines)
        snapshot = client.post("/ingestion/v1/snapshots")
        run = client.post("/training/v1/runs", {"snapshot": snapshot["id"]})
        with closing(client.follow_run(run["id"])) as events:
            fit_began = next(
                content
                for kind, content in events
                if kind == "progress" and content["step"] == "fit" and content["done"] > 0
            )
        assert fit_began["done"] < fit_began["total"]
        assert suite.interrupt() < 5
    with running_suite(tmp_path / "var") as suite:
        client = suite.client()
        until(lambda: client.get(f"/training/v1/runs/{run['id']}")["state"] == "succeeded", "the run goes on", 60)


def test_everything_accepted_survives_a_kill(lines: list[bytes], tmp_path: Path) -> None:
    with running_suite(tmp_path / "var") as suite:
        import_lines(suite.client(), lines[:300])
        suite.kill()
    with running_suite(tmp_path / "var") as suite:
        again = import_lines(suite.client(), lines[:300])
        assert (again["accepted"], again["duplicates"]) == (0, 300)


def test_a_taken_port_is_said_in_one_line(idle_suite: RunningSuite, tmp_path: Path) -> None:
    port = idle_suite.address.rsplit(":", 1)[1]
    done = run_command("up", "--data", str(tmp_path / "two"), "--port", port)
    assert done.returncode == 2
    assert "choose another with --port" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_two_suites_on_one_folder_are_refused(idle_suite: RunningSuite) -> None:
    done = run_command("up", "--data", str(idle_suite.data.path), "--port", str(free_port()))
    assert done.returncode == 2
    assert idle_suite.address in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_no_text_number_or_key_is_in_the_logs(idle_suite: RunningSuite) -> None:
    planted = "种下的句子请勿外传"
    report = {
        "sender": "+8613900001234",
        "body": planted,
        "received_at": datetime.now(UTC).isoformat(),
        "consent": True,
    }
    key = idle_suite.data.admin_key()
    headers = {"Authorization": f"Bearer {key}"}
    address = f"{idle_suite.address}/ingestion/v1/reports"
    before = idle_suite.log().count('"POST"')
    receipt = httpx.post(address, json=report, headers=headers)
    assert receipt.is_success
    httpx.post(address, json=report | {"category": planted}, headers=headers)
    httpx.post(address, content=planted.encode(), headers=headers)
    until(lambda: idle_suite.log().count('"POST"') == before + 3, "three requests are logged", 5)
    for secret in (planted, "13900001234", key, receipt.json()["secret"]):
        assert secret not in idle_suite.log()


def test_the_front_page_and_the_three_documents_open(idle_suite: RunningSuite) -> None:
    page = httpx.get(idle_suite.address)
    assert page.is_success
    assert "静线" in page.text
    for room in ("ingestion", "training", "registry"):
        assert f"{room}/docs/" in page.text
        assert "swagger-ui" in httpx.get(f"{idle_suite.address}/{room}/docs/", follow_redirects=True).text
        assert httpx.get(f"{idle_suite.address}/{room}/docs/openapi.json").json()["openapi"].startswith("3.1")


def test_errors_of_the_front_page_are_problems_too(idle_suite: RunningSuite) -> None:
    for answer in (httpx.get(f"{idle_suite.address}/nowhere"), httpx.post(idle_suite.address)):
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_health_is_silent_when_the_process_does_nothing_any_more(tmp_path: Path) -> None:
    with running_suite(tmp_path / "var") as suite:
        rooms = [f"{suite.address}/{room}/healthz" for room in ("ingestion", "training", "registry")]
        assert all(httpx.get(room).is_success for room in rooms)
        signal_group(suite.process, signal.SIGSTOP)
        for room in rooms:
            with pytest.raises(httpx.TransportError):
                httpx.get(room, timeout=0.3)
        signal_group(suite.process, signal.SIGCONT)
        assert all(httpx.get(room, timeout=10).is_success for room in rooms)


def test_what_the_suite_keeps_is_for_its_owner_alone(idle_suite: RunningSuite) -> None:
    for path in (idle_suite.data.path / "ingestion" / "ingestion.sqlite", idle_suite.data.admin_key_file):
        assert path.stat().st_mode & 0o077 == 0


def exchange(suite: RunningSuite, request: bytes) -> tuple[dict[str, str], dict[str, Any], int]:
    """Sends bytes as they stand and gives the answer's header, document and status."""
    host, port = suite.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("ascii").split("\r\n")
    header = dict(line.split(": ", 1) for line in lines)
    return header, json.loads(body), int(status.split()[1])


PLANTED = "加薇请勿外传13800138000"
RAW = PLANTED.encode()
HOST = b"Host: x\r\n"
POST = b"POST /ingestion/v1/reports HTTP/1.1\r\n" + HOST


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /ingestion/v1/reports?q=" + RAW + b" HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET /ingestion/v1/reports?q=a " + RAW + b" HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET /ingestion/v1/" + RAW + b" HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET /ingestion/v1/reports?q=13800138000" + b"1" * 9_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X-Note: 13800138000" + b"1" * 9_000 + b"\r\n\r\n", 431),
        (POST + b"Content-Length: " + RAW + b"\r\n\r\n", 400),
        (POST + b"Content-Length: 13800138000x\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: x13800138000\r\n\r\n", 501),
        (POST + b"Expect: x13800138000\r\n\r\n", 417),
        (b"GET / HTTP/13800138000\r\n\r\n", 400),
        (RAW + b"\r\n\r\n", 400),
    ],
    ids=["query", "space", "path", "long", "header", "length", "number", "coding", "expect", "version", "garbage"],
)
def test_what_no_app_can_read_is_a_problem_and_stays_unsaid(
    idle_suite: RunningSuite, request_: bytes, status: int
) -> None:
    header, document, answered = exchange(idle_suite, request_)
    assert (answered, document["status"], header["Content-Type"]) == (status, status, "application/problem+json")
    until(lambda: document["request_id"] in idle_suite.log(), "the refusal is logged", 5)
    line = next(line for line in idle_suite.log().splitlines() if document["request_id"] in line)
    assert json.loads(line)["event"] == "request_refused"
    mojibake = RAW.decode("latin-1")
    for told in (line, idle_suite.log(), json.dumps(document, ensure_ascii=False)):
        for secret in ("加薇", mojibake[:6], repr(mojibake)[1:12], "13800138000", "127.0.0.1"):
            assert secret not in told.replace(idle_suite.address, "")


@pytest.mark.parametrize("end", [b"", b"5\r\nab", b"5\r\nabcde"], ids=["between", "in a chunk", "behind a chunk"])
def test_a_candidate_that_broke_off_is_no_fault_of_ours(idle_suite: RunningSuite, end: bytes) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="card"; filename="card"\r\n\r\n'
    _header, document, status = exchange(
        idle_suite,
        b"POST /registry/v1/candidates HTTP/1.1\r\n" + HOST
        + b"Authorization: Bearer " + idle_suite.data.admin_key().encode() + b"\r\n"
        + b"Content-Type: multipart/form-data; boundary=x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"%x\r\n%b\r\n" % (len(part), part) + end,
    )  # fmt: skip
    assert (status, document["type"]) == (400, "urn:quietline:problem:client-left")
