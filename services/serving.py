"""One service in processes of its own, as compose runs it: `python -m services.serving ingestion`.

A service is imported in the process that answers requests, never before the fork: some libraries start threads when
they are imported, and a process that is forked from one with threads may wait for them for ever.
"""

import importlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import structlog
from gunicorn.app.base import BaseApplication
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from services.quiet_worker import QUIET, WORKER_BOOT_ERROR
from shared.problems import PROBLEM_MEDIA_TYPE, Problem
from shared.web import configure_logging
from shared.web.metrics import MULTIPROCESS_DIR

EVERYBODY: Final = "0.0.0.0:8000"
"""In a container this is a network that only the edge and the other services are on."""
THREADS: Final = 16
SILENCE_SECONDS: Final = 60
"""A process that does not even say that it lives for so long is replaced; requests may take longer than that."""
STOP_SECONDS: Final = 15
"""How long requests may take to end when the service is told to stop."""

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

log = structlog.get_logger()


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with quiet workers; `WEB_CONCURRENCY` says how many processes there are, one if it is not set."""

    def __init__(self, name: str, address: str) -> None:
        self._name, self._address, self._is_loaded = name, address, False
        super().__init__()

    def load_config(self) -> None:
        """Tells gunicorn what to do; called by its constructor."""
        options: dict[str, Any] = QUIET | {
            "bind": self._address,
            "threads": THREADS,
            "timeout": SILENCE_SECONDS,
            "graceful_timeout": STOP_SECONDS,
            "worker_exit": lambda _arbiter, _worker: self._leave(),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Wsgi:
        """Builds the app in the worker process; what the operator must put right first is said in words."""
        configure_logging()
        service = importlib.import_module(f"services.{self._name}.entry")
        try:
            app = mounted(self._name, service.load())
        except service.REFUSALS as error:
            log.error("cannot_start", service=self._name, why=str(error))  # noqa: TRY400 - these words are ours
            sys.exit(WORKER_BOOT_ERROR)
        self._is_loaded = True
        return app

    def _leave(self) -> None:
        """Ends the process at once: what was accepted is on disk, and no thread of a library is waited for."""
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0 if self._is_loaded else WORKER_BOOT_ERROR)


def mounted(name: str, app: Wsgi) -> Wsgi:
    """Puts an app below `/name`, where it also is in the embedded suite; everything else is not found."""
    problem = Problem("not-found", "There is no such service", 404, f"Everything here begins with /{name}.")
    nowhere = Response(json.dumps(problem.document()), problem.status, mimetype=PROBLEM_MEDIA_TYPE)
    return DispatcherMiddleware(nowhere, {f"/{name}": app})


def main(name: str, address: str = EVERYBODY) -> None:
    """Answers requests until the process is told to stop.

    Args:
        name: the service.
        address: where it listens, as host:port.
    """
    os.umask(0o077)
    if MULTIPROCESS_DIR in os.environ:
        shutil.rmtree(os.environ[MULTIPROCESS_DIR], ignore_errors=True)
        Path(os.environ[MULTIPROCESS_DIR]).mkdir()
    _Server(name, address).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
