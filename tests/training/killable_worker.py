"""Worker processes that test_killed_runs.py starts and kills.

They are forked from a server that has everything imported, so that a start takes no time. With a step, a worker kills
itself with SIGKILL when that step has had its effect, before DBOS knows of it.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Event
from typing import Any

from services.training import steps
from services.training.peers import Peers
from services.training.settings import Settings
from services.training.worker import Worker

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])


def log_of(settings: Settings) -> Path:
    return settings.executor_id_file.with_name("worker.log")


@contextmanager
def worker_process(settings: Settings, dies_behind: str | None = None) -> Iterator[BaseProcess]:
    process = FORKS.Process(target=work, args=(settings.model_dump_json(), dies_behind))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


def work(settings_json: str, dies_behind: str | None) -> None:
    settings = Settings.model_validate_json(settings_json)
    log = os.open(log_of(settings), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    steps.render_report = lambda *_: b"<!doctype html>"  # type: ignore[assignment]
    if dies_behind is not None:
        die_behind(dies_behind)
    Worker(settings, Peers.over_http(settings)).start()
    Event().wait()


def die_behind(step: str) -> None:
    work_as_usual: Callable[..., Any] = getattr(steps.Steps, step)

    def work_and_die(self: steps.Steps, *arguments: Any) -> Any:
        work_as_usual(self, *arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(steps.Steps, step, work_and_die)
