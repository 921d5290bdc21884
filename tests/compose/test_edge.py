"""What the edge answers by itself: files as a CDN would keep them, and its own errors as problems."""

import gzip
import json
import re
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.ingestion.starter_corpus import read_starter_corpus
from tests.compose.engine import run
from tests.compose.stack import Stack
from tests.system.scenario import typical_corpus, walk_the_road

pytestmark = [pytest.mark.compose, pytest.mark.enable_socket]

FOR_EVER = "public, max-age=31536000, immutable"


@pytest.fixture(scope="module")
def published(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of what is published, with a release in it."""
    client = stack.client()
    walk_the_road(client, typical_corpus(read_starter_corpus()), tmp_path_factory.mktemp("phone"))
    client.close()
    return stack.data / "published"


def get(stack: Stack, path: str, **headers: str) -> httpx.Response:
    """Asks as phones and browsers do, without a key; gives the body as it was sent."""
    with httpx.stream("GET", stack.address + path, headers=headers, timeout=30) as answer:
        answer.extensions["raw"] = b"".join(answer.iter_raw())
    return answer


def names(published: Path, pattern: str) -> list[str]:
    found = [f"/tuf/{path.relative_to(published)}" for path in published.rglob(pattern)]
    assert found, pattern
    return found


def test_only_the_timestamp_is_asked_for_again(stack: Stack, published: Path) -> None:
    for path in names(published, "*.json"):
        wanted = "no-cache" if path.endswith("timestamp.json") else FOR_EVER
        answer = get(stack, path)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, wanted), path
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    etag = get(stack, "/tuf/metadata/timestamp.json").headers["ETag"]
    assert get(stack, "/tuf/metadata/timestamp.json", **{"If-None-Match": etag}).status_code == 304


def test_a_packed_model_is_sent_as_the_bytes_that_were_signed(stack: Stack, published: Path) -> None:
    for path in names(published, "*.gz"):
        answer = get(stack, path, **{"Accept-Encoding": "gzip, deflate, br"})
        assert "Content-Encoding" not in answer.headers
        assert answer.headers["Content-Type"] == "application/octet-stream"
        assert answer.headers["Cache-Control"] == FOR_EVER
        assert answer.extensions["raw"] == (published / path.removeprefix("/tuf/")).read_bytes()


def test_json_is_packed_for_whoever_can_unpack_it(stack: Stack, published: Path) -> None:
    (card, *_) = names(published, "*.card.json")
    content = (published / card.removeprefix("/tuf/")).read_bytes()
    packed = get(stack, card, **{"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.extensions["raw"]) == content
    assert get(stack, card, **{"Accept-Encoding": "identity"}).extensions["raw"] == content


def check_problem(answer: httpx.Response, status: int, word: str) -> dict[str, Any]:
    document = answer.json()
    assert (answer.status_code, document["status"], document["type"]) == (
        status,
        status,
        f"urn:quietline:problem:{word}",
    )
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-Id"] == document["request_id"]
    assert document["title"]
    assert document["detail"]
    return dict(document)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/nowhere",
        "/tuf/",
        "/tuf/.lock",
        "/tuf/metadata/",
        "/tuf/metadata/.draft-0123",
        "/tuf/metadata/99.root.json",
        "/tuf/targets/channels/stable.json",
        "/ingestion/metrics",
        "/training/%6detrics",
        "/registry//metrics",
    ],
)
def test_what_is_not_there_is_a_problem_that_nobody_keeps(stack: Stack, path: str) -> None:
    answer = stack.ask("GET", path)
    check_problem(answer, 404, "not-found")
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_files_are_only_read(stack: Stack, method: str) -> None:
    answer = stack.ask(method, "/tuf/metadata/timestamp.json")
    check_problem(answer, 405, "method-not-allowed")
    assert answer.headers["Allow"] == "GET, HEAD"


def exchange(stack: Stack, request: bytes, address: str | None = None) -> httpx.Response:
    """Sends bytes as they stand, without TLS."""
    host, port = (address or stack.loopback_address).rpartition("//")[2].split(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("ascii").split("\r\n")
    return httpx.Response(int(status.split()[1]), headers=[line.split(": ", 1) for line in lines], content=body)  # type: ignore[misc]


POST = b"POST /ingestion/v1/reports HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("request_", "status", "word"),
    [
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400, "bad-request"),
        (b"GET / HTTP/13.8\r\nHost: x\r\n\r\n", 505, "http-version-not-supported"),
        (b"GET /tuf/..%2f..%2fetc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400, "bad-request"),
        (POST + b"Content-Length: 13800138000x\r\n\r\n", 400, "bad-request"),
        (POST + b"Content-Length: 2000000\r\n\r\n", 413, "request-entity-too-large"),
        (b"GET /ingestion/v1/reports?q=" + b"1" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "uri-too-long"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Note: " + b"1" * 9_000 + b"\r\n\r\n", 431, "request-header-fields-too-large"),
        (POST + b"Transfer-Encoding: x13800138000\r\n\r\n", 501, "not-implemented"),
    ],
    ids=["host", "version", "climbing", "length", "body", "address", "header", "coding"],
)
def test_what_no_service_gets_to_see_is_a_problem(stack: Stack, request_: bytes, status: int, word: str) -> None:
    answer = exchange(stack, request_)
    check_problem(answer, status, word)
    assert "13800138000" not in answer.text


def test_plain_http_on_the_port_for_tls_is_a_problem(stack: Stack) -> None:
    answer = exchange(stack, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", stack.address)
    check_problem(answer, 400, "bad-request")


def test_who_asks_too_often_is_told_when_to_come_again(stack: Stack) -> None:
    """Asks from inside the edge, so that what counts against this caller counts against no other test."""
    address = "http://127.0.0.1:8080/ingestion/healthz?[1-150]"
    said = run("docker", "exec", *stack.containers("edge"), "curl", "--silent", "--include", address)
    statuses = re.findall(r"HTTP/1\.1 (\d+)", said)
    assert len(statuses) == 150
    assert set(statuses) == {"200", "429"}
    assert statuses[0] == "200"
    refused = next(part for part in re.split(r"(?=HTTP/1\.1 \d)", said) if part.startswith("HTTP/1.1 429"))
    head, _, body = refused.partition("\n\n")
    assert re.search(r"^Retry-After: \d+$", head, re.MULTILINE)
    assert re.search(r"^Content-Type: application/problem\+json$", head, re.MULTILINE)
    assert json.loads(body)["type"] == "urn:quietline:problem:too-many-requests"


def test_a_service_that_is_gone_is_said_to_be_and_found_again(stack: Stack) -> None:
    stack.compose("stop", "registry")
    try:
        answer = stack.ask("GET", "/registry/v1/channels")
        check_problem(answer, 502, "bad-gateway")
        assert int(answer.headers["Retry-After"]) > 0
        assert get(stack, "/tuf/metadata/timestamp.json").status_code == 200, "phones need no service"
    finally:
        stack.compose("start", "registry")
        stack.until_healthy("registry")
    assert stack.ask("GET", "/registry/v1/channels").is_success


def test_a_service_that_hangs_is_not_waited_for_without_an_end(stack: Stack) -> None:
    stack.compose("pause", "training-api")
    try:
        answer = stack.ask("GET", "/training/v1/runs")
    finally:
        stack.compose("unpause", "training-api")
    check_problem(answer, 504, "gateway-timeout")
    assert int(answer.headers["Retry-After"]) > 0
    assert stack.ask("GET", "/training/v1/runs").is_success


def test_errors_of_the_services_pass_unchanged(stack: Stack) -> None:
    answer = stack.ask("POST", "/ingestion/v1/reports", content=b"{", headers={"Content-Type": "application/json"})
    check_problem(answer, 400, "malformed-json")
