"""Dask clusters of real processes: a scheduler, and as many workers as a test wants."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from distributed import Client

from tests.training.workers import until

ROOT = Path(__file__).parents[2]
QUIET = {"DASK_LOGGING__DISTRIBUTED": "error", "DASK_DISTRIBUTED__WORKER__DAEMON": "False"}


class Cluster:
    """A scheduler and workers, each a process that can be killed.

    Args:
        folder: for the scheduler's address and logs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._exits = ExitStack()
        self._scheduler_file = folder / "scheduler.json"
        self.scheduler = self.start_scheduler()
        self.workers: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        address: str = json.loads(self._scheduler_file.read_text())["address"]
        return address

    def start_scheduler(self, port: int = 0) -> "subprocess.Popen[bytes]":
        self._scheduler_file.unlink(missing_ok=True)
        process = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard",
            "--scheduler-file", str(self._scheduler_file),
        )  # fmt: skip
        until(lambda: self._scheduler_file.exists() and bool(self._scheduler_file.read_text()), "the scheduler listens")
        return process

    def start_worker(self) -> None:
        self.workers.append(
            self._start(
                "worker", self.address, "--nthreads", "1", "--no-dashboard", "--no-nanny", "--host", "127.0.0.1",
                "--local-directory", str(self._folder),
            )
        )  # fmt: skip

    def await_workers(self, count: int) -> None:
        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)

    def _start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        log = self._exits.enter_context((self._folder / "dask.log").open("ab"))
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            stdout=log,
            stderr=log,
            env=os.environ | QUIET | {"PYTHONPATH": str(ROOT)},
        )
        self._exits.callback(kill, process)
        return process

    def close(self) -> None:
        self._exits.close()


def kill(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    folder.mkdir(exist_ok=True)
    cluster = Cluster(folder)
    try:
        for _ in range(workers):
            cluster.start_worker()
        if workers:
            cluster.await_workers(workers)
        yield cluster
    finally:
        cluster.close()
