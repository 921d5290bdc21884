"""An ingestion service on SQLite in a folder of its own, and the people who use it."""

import json
import os
import tempfile
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from flask import Flask
from sqlalchemy import Engine, create_engine, make_url
from werkzeug.test import TestResponse

from services.ingestion.app import create_app, migrate
from services.ingestion.settings import Settings
from shared.auth import KeyEntry, KeyFile, Scope, hash_key
from tests.databases import POSTGRES, empty_database

NDJSON = "application/x-ndjson"


@dataclass
class Clock:
    """Time that stands still until it is moved."""

    at: datetime = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def pass_by(self, **duration: float) -> None:
        self.at += timedelta(**duration)


@dataclass
class Ingestion:
    """The service as phones, moderators and training see it."""

    settings: Settings
    clock: Clock
    app: Flask

    @property
    def engine(self) -> Engine:
        return self.app.extensions["engine"]

    def call(self, method: str, path: str, *, by: str = "moderator", **request: Any) -> TestResponse:
        headers = {"Authorization": f"Bearer {by}"} | request.pop("headers", {})
        return self.app.test_client().open(f"/v1{path}", method=method, headers=headers, **request)

    def get(self, path: str, **request: Any) -> TestResponse:
        return self.call("GET", path, **request)

    def post(self, path: str, content: Any = None, **request: Any) -> TestResponse:
        return self.call("POST", path, json={} if content is None else content, **request)

    def report(
        self, body: str = "明天一起吃饭吗", *, key: str | None = None, by: str = "phone", **changed: Any
    ) -> TestResponse:
        content = {
            "sender": "13800138000",
            "body": body,
            "received_at": self.clock.at.isoformat(),
            "consent": True,
        } | changed
        return self.post("/reports", content, by=by, headers={"Idempotency-Key": key} if key else {})

    def import_lines(self, lines: Iterable[dict[str, Any]], **query: Any) -> list[dict[str, Any]]:
        body = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        return self.import_bytes(body.encode(), **query)

    def import_bytes(self, body: bytes, *, content_type: str = NDJSON, **query: Any) -> list[dict[str, Any]]:
        query = {"source": "desk"} | query
        answer = self.call("POST", "/reports:import", query_string=query, data=body, content_type=content_type)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def freeze(self) -> dict[str, Any]:
        answer = self.post("/snapshots")
        assert answer.status_code in {200, 201}, answer.text
        return answer.json

    def rows(self, snapshot_id: str = "latest") -> list[dict[str, Any]]:
        answer = self.get(f"/snapshots/{snapshot_id}/data", by="training")
        assert answer.status_code == 200, answer.text
        return pq.read_table(pa.BufferReader(answer.data)).to_pylist()

    def campaigns(self) -> list[dict[str, Any]]:
        return self.get("/campaigns?limit=200").json["items"]


def write_key_file(folder: Path) -> None:
    holders = {
        "phone": {Scope.REPORT},
        "other phone": {Scope.REPORT},
        "moderator": {Scope.MODERATE},
        "training": {Scope.READ_SNAPSHOT},
        "admin": {Scope.ADMIN},
    }
    entries = tuple(
        KeyEntry(name=name, sha256=hash_key(name), scopes=frozenset(scopes)) for name, scopes in holders.items()
    )
    KeyFile(keys=entries).write(folder / "keys.json")


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: what is written is the same, but waiting for a disk costs no time."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="quietline-") as folder:
        yield Path(folder)


class SqliteDatabases:
    """Makes databases as files."""

    def __init__(self, folder: Path) -> None:
        self._migrated = folder / "migrated.sqlite"
        self._folder = folder
        migrate(settings_in(folder, self.url_of(self._migrated)))

    def url_of(self, file: Path) -> str:
        return f"sqlite:///{file}"

    def new(self, folder: Path) -> str:
        file = folder / "ingestion.sqlite"
        file.write_bytes(self._migrated.read_bytes())
        return self.url_of(file)

    def close(self) -> None:
        pass


class PostgresDatabases:
    """Makes databases on a server, and drops them in the end."""

    def __init__(self, server_url: str, folder: Path) -> None:
        self._url = make_url(server_url)
        self._server = create_engine(server_url, isolation_level="AUTOCOMMIT")
        self._names: list[str] = []
        migrated = self._new("template1")
        migrate(settings_in(folder, migrated))
        self._template = self._names[0]

    def _new(self, template: str) -> str:
        name = f"quietline_{uuid.uuid4().hex}"
        with self._server.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        self._names.append(name)
        return self._url.set(database=name).render_as_string(hide_password=False)

    def new(self, folder: Path) -> str:  # noqa: ARG002 - files need a folder
        return self._new(self._template)

    def close(self) -> None:
        with self._server.connect() as connection:
            for name in self._names:
                connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        self._server.dispose()


Databases = SqliteDatabases | PostgresDatabases


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """Makes databases that were migrated once, for all tests to copy."""
    folder = tmp_path_factory.mktemp("databases")
    made: Databases = SqliteDatabases(folder) if POSTGRES is None else PostgresDatabases(POSTGRES, folder)
    yield made
    made.close()


def settings_in(folder: Path, database_url: str) -> Settings:
    return Settings(database_url=database_url, snapshots_url=str(folder / "snapshots"), keys_file=folder / "keys.json")


@pytest.fixture
def empty_settings(tmp_path: Path) -> Iterator[Settings]:
    """Settings of a service whose database has no tables."""
    write_key_file(tmp_path)
    with empty_database(tmp_path) as database_url:
        yield settings_in(tmp_path, database_url)


@pytest.fixture
def settings(tmp_path: Path, databases: Databases) -> Settings:
    write_key_file(tmp_path)
    return settings_in(tmp_path, databases.new(tmp_path))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(clock: Clock) -> Iterator[Callable[[Settings], Ingestion]]:
    """Starts services, and stops them after the test."""
    started: list[Ingestion] = []

    def start(settings: Settings) -> Ingestion:
        started.append(Ingestion(settings, clock, create_app(settings, clock)))
        return started[-1]

    yield start
    for service in started:
        service.engine.dispose()


@pytest.fixture
def ingestion(settings: Settings, start: Callable[[Settings], Ingestion]) -> Ingestion:
    return start(settings)
