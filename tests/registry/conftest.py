"""A registry on SQLite in a folder of its own, and the people who use it."""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from mobile_model.updater import HttpFetcher, PhoneStore, UpdateOutcome, update
from services.registry.app import create_app, create_static_app, migrate
from services.registry.files import Disk
from services.registry.settings import Settings
from shared.auth import KeyEntry, KeyFile, Scope, hash_key
from tests.databases import empty_database
from tests.registry.candidates import FIRST, SECOND, Candidate


@dataclass
class Clock:
    """Time that stands still until it is moved."""

    at: datetime = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    @staticmethod
    def now() -> datetime:
        """Gives the real time, for what was made by commands that know no other."""
        return datetime.now(UTC)

    def pass_by(self, **duration: float) -> None:
        self.at += timedelta(**duration)


@dataclass
class Registry:
    """One registry that can be stopped and started again, as its operators and training see it."""

    settings: Settings
    clock: Clock
    disk: Disk = field(default_factory=Disk)
    app: Flask = field(init=False)

    def start(self, disk: Disk | None = None) -> None:
        self.close()
        self.app = create_app(self.settings, now=self.clock, disk=disk or self.disk)

    def close(self) -> None:
        if hasattr(self, "app"):
            self.app.extensions["engine"].dispose()

    def call(self, method: str, path: str, *, by: str = "publisher", **request: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {by}"} | request.pop("headers", {})
        return self.app.test_client().open(f"/v1{path}", method=method, headers=headers, **request)

    def get(self, path: str, **request: Any) -> TestResponse:
        return self.call("GET", path, **request)

    def post(self, path: str, content: Any = None, **request: Any) -> TestResponse:
        return self.call("POST", path, json={} if content is None else content, **request)

    def submit(self, candidate: Candidate) -> TestResponse:
        return self.call("POST", "/candidates", by="training", data=candidate.parts())

    def promote(self, candidate: Candidate, percentage: int = 100, channel: str = "stable") -> TestResponse:
        return self.post(f"/channels/{channel}/promote", {"version": candidate.version, "percentage": percentage})


@dataclass
class Phone:
    """A phone that updates from what a registry published, through the static server and without a socket."""

    store: PhoneStore
    registry: Registry

    def update(self) -> UpdateOutcome:
        def tell_the_test_clock(answer: httpx.Response) -> None:
            answer.headers["Date"] = format_datetime(self.registry.clock())

        transport = httpx.WSGITransport(app=create_static_app(self.registry.settings.publish_dir))
        client = httpx.Client(transport=transport, event_hooks={"response": [tell_the_test_clock]})
        with HttpFetcher(client) as fetcher:
            return update(self.store, fetcher=fetcher, now=self.registry.clock)

    @property
    def version(self) -> str | None:
        release = self.store.current()
        return release.card.version if release else None


def problem(answer: TestResponse) -> str:
    """Gives the word of the problem that the answer must be."""
    assert answer.content_type == "application/problem+json"
    assert answer.json is not None
    assert answer.json["status"] == answer.status_code
    word: str = answer.json["type"].removeprefix("urn:quietline:problem:")
    return word


def with_two_releases(registry: Registry) -> None:
    """Puts one release into service, and another one a day later."""
    registry.submit(FIRST)
    registry.promote(FIRST)
    registry.clock.pass_by(days=1)
    registry.submit(SECOND)
    registry.promote(SECOND)


def new_phone(registry: Registry, folder: Path, draw: int = 50) -> Phone:
    store = PhoneStore(folder)
    root = (registry.settings.publish_dir / "metadata" / "1.root.json").read_bytes()
    store.initialise(root, "http://registry/", draw=lambda _: draw)
    return Phone(store, registry)


@pytest.fixture
def phone(registry: Registry, tmp_path: Path) -> Phone:
    return new_phone(registry, tmp_path / "phone")


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: what is written is the same, but waiting for a disk costs no time."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="quietline-") as folder:
        yield Path(folder)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def settings_in(folder: Path, **changed: Any) -> Settings:
    values = {
        "database_url": f"sqlite:///{folder / 'registry.sqlite'}",
        "candidates_url": str(folder / "candidates"),
        "publish_dir": folder / "tuf",
        "tuf_keys_dir": folder / "keys",
        "keys_file": folder / "keys.json",
    }
    return Settings(**values | changed)


def write_key_file(folder: Path) -> None:
    holders = {"publisher": Scope.PUBLISH, "training": Scope.SUBMIT, "reporter": Scope.REPORT}
    entries = tuple(
        KeyEntry(name=name, sha256=hash_key(name), scopes=frozenset({scope})) for name, scope in holders.items()
    )
    KeyFile(keys=entries).write(folder / "keys.json")


@pytest.fixture
def database_url(tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    with empty_database(tmp_path, "registry.sqlite") as url:
        yield url


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    folder = tmp_path / "registry"
    folder.mkdir()
    write_key_file(folder)
    return settings_in(folder, database_url=database_url)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """An empty registry that a whole module of tests asks, all in vain."""
    folder = tmp_path_factory.mktemp("registry")
    write_key_file(folder)
    migrate(settings_in(folder))
    started = Registry(settings_in(folder), Clock())
    started.start()
    yield started
    started.close()


@pytest.fixture
def registry(settings: Settings, clock: Clock) -> Iterator[Registry]:
    migrate(settings)
    started = Registry(settings, clock)
    started.start()
    yield started
    started.close()
