"""Suites that faults are done to: embedded, or the three services and the worker as processes of their own."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol

import httpx
from pydantic_settings import BaseSettings
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import WSGIRequestHandler, make_server

from services.embedded import DataDirectory
from services.registry.app import create_static_app
from tests.system.faults.postgresql import Server, programs, running_server
from tests.system.faults.processes import Supervised
from tests.system.faults.proxy import Proxy
from tests.system.faults.start import STEPS
from tests.system.suite import free_port, until

ROOMS: Final = ("ingestion", "training", "registry")
DATABASES: Final = ("ingestion", "training", "dbos", "registry")
DO_RUNS: Final = frozenset({"services", "services.training.worker"})
"""Modules whose processes can be doomed."""
BLOBS_BYTES: Final = 512 << 20
"""Room for everything that is no database, so that a disk can be filled in a moment."""


class UnavailableError(Exception):
    """This machine lacks what a stack needs; the text says what."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong.

    Args:
        name: in the table.
        happen: lets it begin, and lets it end when it is left.
        share: how often it is done, as a share of the times that were asked for.
        endings: words of problems that runs may end with while it lasts.
        statuses: of answers that are no fault of the suite while it lasts.
    """

    name: str
    happen: Callable[[Random], AbstractContextManager[None]]
    share: float = 1.0
    endings: frozenset[str] = frozenset()
    statuses: frozenset[int] = frozenset()


class Stack(Protocol):
    """A running suite, whatever runs it."""

    name: str
    key: str
    notes: list[str]

    def url(self, path: str) -> str:
        """Gives the whole address of a path such as /ingestion/v1/reports."""

    def faults(self) -> list[Fault]:
        """Gives what can be done to it here."""


class Clock:
    """Moves the clock of processes, and of nothing else, by Debian's libfaketime; None where it is not installed.

    Args:
        file: what the processes read the difference from.
    """

    def __init__(self, library: Path, file: Path) -> None:
        self._file = file
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }
        self.move(0)

    @classmethod
    def find(cls, file: Path) -> "Clock | None":
        library = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
        return None if library is None else cls(library, file)

    def move(self, seconds: int) -> None:
        draft = self._file.with_suffix(".draft")
        draft.write_text(f"{seconds:+d}")
        draft.replace(self._file)


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Makes a folder a disk of its own that is soon full; only root can do so.

    Raises:
        UnavailableError: if this machine does not let us.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={BLOBS_BYTES},mode=0700", "quietline-faults", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        raise UnavailableError("a full disk needs root, to mount a small one")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Takes all the room that is left on the disk of a folder."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 12))
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def static_files(folder: Path) -> Iterator[int]:
    """Serves the published repository as a CDN does, from elsewhere; gives the port."""

    class Quiet(WSGIRequestHandler):
        def log(self, type: str, message: str, *args: object) -> None:  # noqa: A002 - werkzeug's word
            pass

    app = DispatcherMiddleware(create_static_app(folder), {"/tuf": create_static_app(folder)})
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class ProcessStack:
    """A suite of supervised processes on this machine."""

    def __init__(self, name: str, folder: Path, key: str) -> None:
        self.name, self.key, self.folder = name, key, folder
        self.notes: list[str] = []
        self.doom_file = folder / "doom"
        self.processes: dict[str, Supervised] = {}
        self.ports: dict[str, int] = {}
        self.clock: Clock | None = None
        self.database: Server | None = None
        self.proxies: Sequence[Proxy] = ()
        self.blobs: Path | None = None
        self._steps: list[str] = []

    def url(self, path: str) -> str:
        room = path.split("/")[1]
        return f"http://127.0.0.1:{self.ports[room]}{path}"

    def add(self, name: str, module: str, *arguments: str, **environment: str) -> Supervised:
        command = [sys.executable, "-m", "tests.system.faults.start", module]
        command += ["--doom", str(self.doom_file)] if module in DO_RUNS else []
        command += ["--", *arguments] if arguments else []
        clock = self.clock.environment if self.clock else {}
        log = self.folder / f"{name}.log"
        self.processes[name] = Supervised(name, lambda: command, {**environment, **clock}, log)
        return self.processes[name]

    def is_ready(self) -> bool:
        try:
            return all(httpx.get(self.url(f"/{room}/readyz"), timeout=5).is_success for room in ROOMS)
        except httpx.TransportError:
            return False

    def close(self) -> None:
        for process in self.processes.values():
            process.let_go()

    def faults(self) -> list[Fault]:
        found = [self._killing(name) for name in self.processes if name != "second worker"]
        found.append(Fault("SIGKILL behind a step", self._doomed))
        if self.database is not None:
            found += [
                Fault("database restarted", self._database_restarted, 0.5),
                Fault("database gone for 30 s", lambda random: self._database_gone(random, 30), 0.15),
            ]
        if self.blobs is not None:
            found.append(Fault("disk full for 10 s", self._disk_full, 0.25, frozenset({"storage-full"})))
        if self.proxies:
            found += [
                Fault("peers slow: 30 s an answer", lambda _random: self._peers(lambda one: one.slow(30), 45), 0.1),
                self.peers_down(30),
                self.network_cut(30),
            ]
        if "second worker" in self.processes:
            found.append(Fault("one of two workers gone", self._worker_gone, 0.25))
        if self.clock is not None:
            found.append(Fault("clock jumps", self._clock_jumps, 0.5, statuses=frozenset({422})))
        return found

    def peers_down(self, seconds: float) -> Fault:
        """Nobody listens where training calls ingestion and registry."""
        return Fault(f"peers down for {seconds:.0f} s", lambda _random: self._peers(Proxy.down, seconds), 0.15)

    def network_cut(self, seconds: float) -> Fault:
        """Nothing passes between training and the two others, and nobody is told."""
        return Fault(f"network cut for {seconds:.0f} s", lambda _random: self._peers(Proxy.cut, seconds), 0.15)

    def _killing(self, name: str) -> Fault:
        @contextmanager
        def happen(random: Random) -> Iterator[None]:
            self.processes[name].kill(random)
            yield

        return Fault(f"SIGKILL of {name}", happen)

    @contextmanager
    def _doomed(self, random: Random) -> Iterator[None]:
        if not self._steps:
            self._steps = random.sample(STEPS, len(STEPS))
        self.doom_file.write_text(self._steps.pop())
        until(lambda: not self.doom_file.exists(), "a run came to the step", 180)
        yield

    @contextmanager
    def _database_restarted(self, random: Random) -> Iterator[None]:
        with self._database_gone(random, 0):
            yield

    @contextmanager
    def _database_gone(self, random: Random, seconds: float) -> Iterator[None]:
        assert self.database is not None
        self.database.stop(random.choice(("fast", "immediate")))
        threading.Event().wait(seconds)
        self.database.start()
        yield

    @contextmanager
    def _disk_full(self, _random: Random) -> Iterator[None]:
        assert self.blobs is not None
        with filled(self.blobs):
            threading.Event().wait(10)
        yield

    @contextmanager
    def _peers(self, be: Callable[[Proxy], AbstractContextManager[None]], seconds: float) -> Iterator[None]:
        with ExitStack() as both:
            for proxy in self.proxies:
                both.enter_context(be(proxy))
            threading.Event().wait(seconds)
        yield

    @contextmanager
    def _worker_gone(self, random: Random) -> Iterator[None]:
        victim = self.processes[random.choice(("worker", "second worker"))]
        victim.let_go()
        yield
        victim.start()

    @contextmanager
    def _clock_jumps(self, random: Random) -> Iterator[None]:
        assert self.clock is not None
        self.clock.move(random.choice((-86_400, -3_600, -60, 60, 3_600, 86_400)))
        threading.Event().wait(10)
        self.clock.move(0)
        yield


@contextmanager
def embedded(folder: Path) -> Iterator[ProcessStack]:
    """`quietline up`: everything in one process on SQLite."""
    with ExitStack() as exits:
        data = DataDirectory(folder / "var")
        notes: list[str] = []
        blobs = _blobs(exits, data.path, notes)
        data.prepare()
        stack = ProcessStack("embedded", folder, data.admin_key())
        stack.notes, stack.blobs, stack.clock = notes, blobs, _clock(folder, notes)
        port = free_port()
        stack.ports = dict.fromkeys((*ROOMS, "tuf"), port)
        stack.add("suite", "services", "up", "--data", str(data.path), "--port", str(port))
        exits.callback(stack.close)
        for process in stack.processes.values():
            process.start()
        until(stack.is_ready, "the suite answers")
        yield stack


@contextmanager
def processes(folder: Path, *, on_postgresql: bool) -> Iterator[ProcessStack]:
    """Three services and two workers as compose runs them, with proxies between training and its peers.

    Raises:
        UnavailableError: if PostgreSQL is wanted and not installed.
    """
    with ExitStack() as exits:
        data = DataDirectory(folder / "var")
        notes: list[str] = []
        blobs = _blobs(exits, data.path, notes) if on_postgresql else None
        data.prepare()
        stack = ProcessStack("postgresql" if on_postgresql else "sqlite", folder, data.admin_key())
        stack.notes, stack.blobs, stack.clock = notes, blobs, _clock(folder, notes)
        stack.ports = {room: free_port() for room in ROOMS}
        stack.ports["tuf"] = exits.enter_context(static_files(data.registry().publish_dir))
        stack.proxies = [Proxy(stack.ports[room]) for room in ("ingestion", "registry")]
        for proxy in stack.proxies:
            exits.callback(proxy.close)
        if on_postgresql:
            bin_folder = programs()
            if bin_folder is None:
                raise UnavailableError("PostgreSQL is not installed; Debian's package is postgresql")
            stack.database = exits.enter_context(running_server(bin_folder, folder / "postgresql", DATABASES))
        environment = _environment(data, stack)
        subprocess.run([sys.executable, "-m", "services.migrate"], env=os.environ | environment, check=True)
        for room in ROOMS:
            stack.add(room, "services.serving", room, f"127.0.0.1:{stack.ports[room]}", **environment)
        stack.add("worker", "services.training.worker", **environment)
        other = environment | {
            "QUIETLINE_TRAINING_EXECUTOR_ID_FILE": str(data.path / "training" / "second-executor-id")
        }
        stack.add("second worker", "services.training.worker", **other)
        exits.callback(stack.close)
        for process in stack.processes.values():
            process.start()
        until(stack.is_ready, "the services answer")
        yield stack


def on_sqlite(folder: Path) -> AbstractContextManager[ProcessStack]:
    """Gives services of their own on SQLite."""
    return processes(folder, on_postgresql=False)


def on_postgresql(folder: Path) -> AbstractContextManager[ProcessStack]:
    """Gives services of their own on PostgreSQL."""
    return processes(folder, on_postgresql=True)


def _environment(data: DataDirectory, stack: ProcessStack) -> dict[str, str]:
    ingestion, training, registry = data.ingestion(), data.training(), data.registry()
    at_ingestion, at_registry = (f"http://127.0.0.1:{proxy.port}" for proxy in stack.proxies)
    values = _variables("INGESTION", ingestion) | _variables("TRAINING", training) | _variables("REGISTRY", registry)
    values["QUIETLINE_TRAINING_INGESTION_URL"] = f"{at_ingestion}/ingestion"
    values["QUIETLINE_TRAINING_REGISTRY_URL"] = f"{at_registry}/registry"
    if stack.database is not None:
        for room in ROOMS:
            values[f"QUIETLINE_{room.upper()}_DATABASE_URL"] = stack.database.url(room)
        values["QUIETLINE_TRAINING_DBOS_DATABASE_URL"] = stack.database.url("dbos")
    return values


def _variables(room: str, settings: BaseSettings) -> dict[str, str]:
    values: dict[str, Any] = json.loads(settings.model_dump_json(exclude_none=True, exclude={"mode"}))
    return {f"QUIETLINE_{room}_{name.upper()}": str(value) for name, value in values.items()}


def _blobs(exits: ExitStack, folder: Path, notes: list[str]) -> Path | None:
    try:
        exits.enter_context(small_disk(folder))
    except UnavailableError as error:
        notes.append(str(error))
        return None
    return folder


def _clock(folder: Path, notes: list[str]) -> Clock | None:
    clock = Clock.find(folder / "clock")
    if clock is None:
        notes.append("a clock that jumps needs libfaketime; Debian's package is libfaketime")
    return clock
