"""Starts and stops a real embedded suite, as a person would from a terminal."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from services.client import SuiteClient
from services.embedded import DataDirectory

START_SECONDS = 60


ROOT = Path(__file__).parents[2]


def run_command(
    *arguments: str, folder: Path | None = None, seconds: float = 60, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """Runs `quietline` as from a terminal in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "services", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Waits until the condition holds, and fails in words if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


class RunningSuite:
    """A `quietline up` of its own process group, so that signals reach it as from a terminal."""

    def __init__(self, data: Path, port: int) -> None:
        self.data = DataDirectory(data)
        self.address = f"http://127.0.0.1:{port}"
        self._clients: list[SuiteClient] = []
        command = [sys.executable, "-m", "services", "up", "--data", str(data), "--port", str(port)]
        log = (data / "up.log").open("ab")
        self.process = subprocess.Popen(command, stderr=log, stdout=log, start_new_session=True)
        log.close()

    def is_ready(self) -> bool:
        assert self.process.poll() is None, (self.data.path / "up.log").read_text()[-2000:]
        try:
            rooms = ("ingestion", "training", "registry")
            return all(httpx.get(f"{self.address}/{room}/readyz").is_success for room in rooms)
        except httpx.TransportError:
            return False

    def client(self) -> SuiteClient:
        client = SuiteClient(self.address, self.data.admin_key())
        self._clients.append(client)
        return client

    def log(self) -> str:
        return (self.data.path / "up.log").read_text()

    def interrupt(self) -> float:
        """Does what Ctrl-C does and gives the seconds until the suite was gone."""
        began = time.monotonic()
        signal_group(self.process, signal.SIGINT)
        self.process.wait(15)
        return time.monotonic() - began

    def kill(self) -> None:
        for client in self._clients:
            client.close()
        if self.process.poll() is None:
            signal_group(self.process, signal.SIGKILL)
        self.process.wait(15)


def signal_group(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    os.killpg(process.pid, number)


@contextmanager
def running_suite(data: Path, port: int | None = None) -> Iterator[RunningSuite]:
    data.mkdir(exist_ok=True)
    suite = RunningSuite(data, port or free_port())
    try:
        until(suite.is_ready, "the suite answers")
        yield suite
    finally:
        suite.kill()
