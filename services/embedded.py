"""The three services in one process on SQLite: what `quietline up` runs.

It differs from compose in three values only: the database addresses, the transport between the services (WSGI in this
process instead of HTTP) and where the training worker runs (here).
"""

import fcntl
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TextIO

import structlog
from gunicorn.app.base import BaseApplication
from werkzeug.middleware.dispatcher import DispatcherMiddleware

import services.ingestion.app
import services.registry.app
import services.training.app
from services.ingestion.settings import Settings as IngestionSettings
from services.quiet_worker import QUIET, WORKER_BOOT_ERROR
from services.registry.settings import Settings as RegistrySettings
from services.training.peers import Peers
from services.training.settings import Settings as TrainingSettings
from services.training.worker import Worker
from services.welcome import create_welcome_app
from shared.auth import KeyEntry, KeyFile, KeyFileError, KeyRing, Scope, hash_key, new_key
from shared.web import configure_logging

THREADS: Final = 16
STOP_SECONDS: Final = 3
"""How long requests may take to end after Ctrl-C; the whole suite is gone within 5 seconds."""

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

log = structlog.get_logger()


class PortInUseError(Exception):
    """Another program listens where the suite should."""


class SuiteRunsAlreadyError(Exception):
    """Another process keeps a suite on the same folder; the text is its address."""


@dataclass(frozen=True)
class DataDirectory:
    """Where the embedded suite keeps everything: one folder to back up, move or delete."""

    path: Path

    @property
    def key_file(self) -> Path:
        """Hashes of the bearer keys."""
        return self.path / "keys.json"

    @property
    def admin_key_file(self) -> Path:
        """The development key with all scopes, for the commands on this machine."""
        return self.path / "admin.key"

    @property
    def phone(self) -> Path:
        """State of the demo's phone."""
        return self.path / "phone"

    @property
    def lock_file(self) -> Path:
        """Locked as long as a suite runs here; holds its address."""
        return self.path / "suite.lock"

    def running_at(self) -> str | None:
        """Gives the address of the suite that runs on this folder, or None."""
        try:
            with self.lock_file.open("r+", encoding="ascii") as lock:
                return None if _is_free(lock) else lock.read()
        except FileNotFoundError:
            return None

    def admin_key(self) -> str:
        """Reads the development key.

        Raises:
            OSError: if the suite never ran here.
        """
        return self.admin_key_file.read_text("ascii").strip()

    def ingestion(self) -> IngestionSettings:
        """Settings of the ingestion service."""
        room = self.path / "ingestion"
        return IngestionSettings(
            database_url=f"sqlite:///{room / 'ingestion.sqlite'}",
            snapshots_url=str(room / "snapshots"),
            keys_file=self.key_file,
        )

    def training(self) -> TrainingSettings:
        """Settings of the training service."""
        room = self.path / "training"
        return TrainingSettings(
            database_url=f"sqlite:///{room / 'training.sqlite'}",
            dbos_database_url=f"sqlite:///{room / 'dbos.sqlite'}",
            runs_url=str(room / "runs"),
            executor_id_file=room / "executor-id",
            keys_file=self.key_file,
            peer_key_file=self.admin_key_file,
            ingestion_url="http://embedded/ingestion",
            registry_url="http://embedded/registry",
        )

    def registry(self) -> RegistrySettings:
        """Settings of the registry."""
        room = self.path / "registry"
        return RegistrySettings(
            database_url=f"sqlite:///{room / 'registry.sqlite'}",
            candidates_url=str(room / "candidates"),
            publish_dir=room / "tuf",
            tuf_keys_dir=room / "keys",
            keys_file=self.key_file,
        )

    def prepare(self) -> None:
        """Makes the folders, the development keys and the tables, where they are missing.

        Raises:
            KeyFileError: if the keys are not fit for the mode; production makes none by itself.
        """
        for room in ("ingestion", "training", "registry"):
            (self.path / room).mkdir(parents=True, exist_ok=True)
        is_production = self.ingestion().production
        if not self.key_file.exists() and not is_production:
            _make_development_key(self)
        ring = KeyRing.from_file(self.key_file, production=is_production)
        if not self.admin_key_file.exists() or ring.find(self.admin_key()) is None:
            raise KeyFileError(
                f"{self.admin_key_file} must hold a key of {self.key_file}, with which training calls the other two; "
                "write the admin's into it, which `quietline keys init` made"
            )
        services.ingestion.app.migrate(self.ingestion())
        services.training.app.migrate(self.training())
        services.registry.app.migrate(self.registry())


def _make_development_key(data: DataDirectory) -> None:
    key = new_key()
    draft = data.path / f".admin.key.{secrets.token_hex(4)}"
    draft.touch(mode=0o600)
    draft.write_text(key, "ascii")
    draft.replace(data.admin_key_file)
    entry = KeyEntry(name="development", sha256=hash_key(key), scopes=frozenset({Scope.ADMIN}), development=True)
    KeyFile(keys=(entry,)).write(data.key_file)


@dataclass
class Suite:
    """The running suite: its one WSGI entry and what works in the background."""

    wsgi: Wsgi
    worker: Worker
    stop_resigning: Callable[[], None]
    stopped: bool = field(default=False, init=False)

    def stop(self) -> None:
        """Lets the background work end; a run that is under way goes on at the next start."""
        if self.stopped:
            return
        self.stopped = True
        self.worker.stop()
        self.stop_resigning()


def start_suite(data: DataDirectory) -> Suite:
    """Builds the three apps and starts the training worker and the registry's re-signing in this process."""
    ingestion = services.ingestion.app.create_app(data.ingestion())
    registry_settings = data.registry()
    registry = services.registry.app.create_app(registry_settings)
    mounted: dict[str, Any] = {
        "/ingestion": ingestion,
        "/registry": registry,
        "/tuf": services.registry.app.create_static_app(registry_settings.publish_dir),
    }
    wsgi = DispatcherMiddleware(create_welcome_app(), mounted)
    training_settings = data.training()
    peers = Peers.in_process(wsgi, training_settings)
    mounted["/training"] = services.training.app.create_app(training_settings, peers)
    worker = Worker(training_settings, peers)
    worker.start()
    return Suite(wsgi, worker, services.registry.app.start_resigning(registry_settings))


class EmbeddedServer(BaseApplication):  # type: ignore[misc]
    """gunicorn with one worker process, in which everything lives."""

    def __init__(self, data: DataDirectory, host: str, port: int, ready: Callable[[], None]) -> None:
        self._data, self._host, self._port, self._ready = data, host, port, ready
        self._suite: Suite | None = None
        super().__init__()

    def load_config(self) -> None:
        """Tells gunicorn what to do; called by its constructor."""
        options: dict[str, Any] = QUIET | {
            "bind": f"{self._host}:{self._port}",
            "workers": 1,
            "threads": THREADS,
            "timeout": 0,  # a long import is no hung worker
            "graceful_timeout": STOP_SECONDS,
            "post_worker_init": lambda _worker: self._ready(),
            "worker_int": self._stop,
            "worker_exit": lambda _arbiter, worker: self._leave(worker),
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Wsgi:
        """Builds the suite in the worker process, never before the fork."""
        configure_logging()
        self._suite = start_suite(self._data)
        return self._suite.wsgi

    def _stop(self, _worker: object) -> None:
        # A second Ctrl-C, or the master's own signal after the terminal's, must not break off what ends already.
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        if self._suite is not None:
            self._suite.stop()

    def _leave(self, worker: object) -> None:
        """Ends the process at once: everything accepted is on disk, and no thread of a library is waited for."""
        self._stop(worker)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0 if self._suite is not None else WORKER_BOOT_ERROR)


def _is_free(lock: TextIO) -> bool:
    """Takes the lock if nobody has it; it is held until the file is closed, by whatever end of the process."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def serve(data: DataDirectory, host: str, port: int, ready: Callable[[], None]) -> None:
    """Runs the suite until it is told to stop.

    Args:
        data: where everything is kept.
        host: address to listen on.
        port: TCP port to listen on.
        ready: called in the worker process when requests are answered.

    Raises:
        PortInUseError: if the port is taken.
        SuiteRunsAlreadyError: if another suite keeps this folder.
        KeyFileError: if the keys are not fit for the mode.
    """
    os.umask(0o077)  # reports and keys are nobody else's business on a shared machine
    data.path.mkdir(parents=True, exist_ok=True)
    with data.lock_file.open("a+", encoding="ascii") as lock:
        if not _is_free(lock):
            lock.seek(0)
            raise SuiteRunsAlreadyError(lock.read())
        _refuse_taken_port(host, port)
        lock.truncate(0)
        lock.write(f"http://{host}:{port}")
        lock.flush()
        data.prepare()
        EmbeddedServer(data, host, port, ready).run()


def _refuse_taken_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortInUseError(f"{host}:{port}: {error.strerror}") from error
