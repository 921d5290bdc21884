"""Processes that are started again whenever they end, as a service manager or compose does."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

from tests.system.suite import ROOT

RESTART_SECONDS: Final = 0.1
"""As long as Docker waits before the first restart."""
STOP_SECONDS: Final = 20


class Supervised:
    """One process group that is started again whenever it ends, until it is let go.

    Args:
        name: of the service.
        command: what is started.
        environment: beside this process's own.
        log: file for what it writes.
    """

    def __init__(self, name: str, command: Callable[[], list[str]], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._command, self._environment, self._log = command, environment, log
        self._wanted = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._changing = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self._wanted.set()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def kill(self, random: Random) -> None:
        """Kills the whole group, or, of a server, at random only its master or one that it has forked."""
        while True:
            forked = descendants(self.pid)
            drawn = random.choice(("group", "master", "child")) if forked else "group"
            try:
                if drawn == "group":
                    os.killpg(self.pid, signal.SIGKILL)
                else:
                    os.kill(self.pid if drawn == "master" else random.choice(forked), signal.SIGKILL)
            except ProcessLookupError:  # it has just ended, and is being started again
                time.sleep(RESTART_SECONDS)
            else:
                return

    def let_go(self) -> None:
        """Ends it for good."""
        self._wanted.clear()
        with self._changing:
            process = self._process
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _keep(self) -> None:
        while self._wanted.is_set():
            with self._log.open("ab") as log, self._changing:
                if not self._wanted.is_set():
                    return
                self._process = process = subprocess.Popen(
                    self._command(),
                    env=os.environ | {"PYTHONPATH": str(ROOT)} | self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            process.wait()
            if self._wanted.is_set():
                time.sleep(RESTART_SECONDS)


def descendants(pid: int) -> list[int]:
    """Gives the processes that a process has forked, and those that they have forked."""
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        children = [int(child) for child in tasks.read_text().split()]
    except OSError:
        return []
    return [*children, *(further for child in children for further in descendants(child))]
