"""A service in a process of its own: where it answers, how it refuses to start, and what its container asks it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from wsgiref.simple_server import WSGIServer, make_server

import httpx
import pytest
from werkzeug.wrappers import Response

from services import healthcheck
from services.embedded import DataDirectory
from services.serving import mounted
from tests.system.suite import ROOT


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    transport = httpx.WSGITransport(app=mounted("ingestion", Response("it")))
    with httpx.Client(transport=transport, base_url="http://service") as client:
        yield client


def test_a_service_is_below_its_name_as_in_the_embedded_suite(client: httpx.Client) -> None:
    assert client.get("/ingestion/v1/reports").text == "it"
    answer = client.get("/registry/v1/channels")
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")


@pytest.mark.system
@pytest.mark.parametrize("service", ["ingestion", "training", "registry"])
def test_a_service_without_keys_says_so_and_ends(service: str, tmp_path: Path) -> None:
    data = DataDirectory(tmp_path)
    settings = {"ingestion": data.ingestion, "training": data.training, "registry": data.registry}[service]()
    named = settings.model_dump(mode="json", exclude_none=True, exclude={"mode"})
    environment = {f"QUIETLINE_{service.upper()}_{name.upper()}": str(value) for name, value in named.items()}
    done = subprocess.run(
        [sys.executable, "-m", "services.serving", service, "127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | environment | {"QUIETLINE_MODE": "production", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 3
    assert '"cannot_start"' in done.stderr
    assert "quietline keys init" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def server() -> Iterator[WSGIServer]:
    """Answers with the status that its path names."""

    def app(environ, start):  # type: ignore[no-untyped-def]
        return Response("words", int(environ["PATH_INFO"].strip("/")))(environ, start)

    with make_server("127.0.0.1", 0, app) as server:
        yield server


@pytest.mark.enable_socket
@pytest.mark.parametrize(("status", "code"), [(200, 0), (404, 1), (503, 1)])
def test_a_health_check_can_fail(server: WSGIServer, status: int, code: int) -> None:
    server.timeout = 10
    check = subprocess.Popen(
        [sys.executable, "-m", "services.healthcheck", f"http://127.0.0.1:{server.server_port}/{status}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    server.handle_request()
    said, _ = check.communicate(timeout=20)
    assert check.returncode == code
    assert (said == b"") is (code == 0)


@pytest.mark.enable_socket
def test_a_service_that_does_not_listen_is_not_well(server: WSGIServer) -> None:
    port = server.server_port
    server.server_close()
    assert healthcheck.main([f"http://127.0.0.1:{port}/200"]) == 1


def test_a_heartbeat_that_stands_still_is_not_well(tmp_path: Path) -> None:
    heartbeat = tmp_path / "heartbeat"
    assert healthcheck.main([str(heartbeat), "30"]) == 1
    heartbeat.touch()
    assert healthcheck.main([str(heartbeat), "30"]) == 0
    os.utime(heartbeat, (time.time() - 60, time.time() - 60))
    assert healthcheck.main([str(heartbeat), "30"]) == 1
