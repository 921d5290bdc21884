"""A training service on a database of its own, with peers that keep the contract."""

import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from services.training.app import create_app, migrate
from services.training.peers import Peers
from services.training.settings import Settings
from shared.auth import KeyEntry, KeyFile, Scope, hash_key
from shared.database import open_engine
from tests.databases import empty_database
from tests.training.fakes import FakeIngestion, FakeRegistry, both
from tests.training.snapshots import freeze, make_rows

MOMENT = datetime(2025, 6, 1, 12, 0, 30, 500, tzinfo=UTC)


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: what is written is the same, but waiting for a disk costs no time."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="quietline-") as folder:
        yield Path(folder)


@pytest.fixture
def blank_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the plots out, which test_evaluation.py looks at: they take longer than all the rest."""
    monkeypatch.setattr("services.training.steps.render_report", lambda *_: b"<!doctype html>")


@pytest.fixture
def database_urls(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Addresses of an empty database for runs and of one for DBOS."""
    with empty_database(tmp_path, "training.sqlite") as runs, empty_database(tmp_path, "dbos.sqlite") as dbos:
        yield runs, dbos


@pytest.fixture
def settings(tmp_path: Path, database_urls: tuple[str, str]) -> Settings:
    holders = {
        "trainer": {Scope.TRAIN},
        "other trainer": {Scope.TRAIN},
        "publisher": {Scope.PUBLISH},
        "phone": {Scope.REPORT},
    }
    entries = tuple(
        KeyEntry(name=name, sha256=hash_key(name), scopes=frozenset(scopes)) for name, scopes in holders.items()
    )
    KeyFile(keys=entries).write(tmp_path / "keys.json")
    (tmp_path / "peer.key").write_text("peer-key\n")
    return Settings(
        database_url=database_urls[0],
        dbos_database_url=database_urls[1],
        runs_url=str(tmp_path / "runs"),
        executor_id_file=tmp_path / "executor-id",
        keys_file=tmp_path / "keys.json",
        peer_key_file=tmp_path / "peer.key",
        ingestion_url="http://peers/ingestion",
        registry_url="http://peers/registry",
        queue_seconds=0.05,
        lease_seconds=0.4,
        patience_seconds=0.1,
    )


@pytest.fixture
def ingestion() -> FakeIngestion:
    return FakeIngestion()


@pytest.fixture
def registry() -> FakeRegistry:
    return FakeRegistry()


@pytest.fixture
def peers(settings: Settings, ingestion: FakeIngestion, registry: FakeRegistry) -> Iterator[Peers]:
    peers = Peers.in_process(both(ingestion, registry), settings)
    yield peers
    peers.close()


@pytest.fixture
def served(settings: Settings, ingestion: FakeIngestion, registry: FakeRegistry) -> Iterator[Settings]:
    """Settings of a worker in another process, with the peers on a port of this one."""
    ingestion.add(freeze(make_rows(each=60)))
    server = make_server("127.0.0.1", 0, both(ingestion, registry), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    yield settings.model_copy(
        update={
            "ingestion_url": f"{address}/ingestion",
            "registry_url": f"{address}/registry",
            "patience_seconds": 30.0,
            "lease_seconds": 5.0,
        }
    )
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    migrate(settings)
    engine = open_engine(settings.database_url)
    yield engine
    engine.dispose()


@dataclass
class Training:
    """The service as its callers see it."""

    app: Flask
    settings: Settings
    engine: Engine
    answers: list[TestResponse] = field(default_factory=list)

    def call(self, method: str, path: str, *, by: str | None = "trainer", **request: Any) -> TestResponse:
        authorization = {"Authorization": f"Bearer {by}"} if by else {}
        headers = authorization | request.pop("headers", {})
        answer = self.app.test_client().open(f"/v1{path}", method=method, headers=headers, **request)
        self.answers.append(answer)
        return answer

    def get(self, path: str, **request: Any) -> TestResponse:
        return self.call("GET", path, **request)

    def post(self, path: str, content: Any = None, **request: Any) -> TestResponse:
        return self.call("POST", path, json={} if content is None else content, **request)


@pytest.fixture
def training(settings: Settings, engine: Engine, peers: Peers) -> Iterator[Training]:
    service = Training(create_app(settings, peers, now=lambda: MOMENT), settings, engine)
    yield service
    for answer in service.answers:
        answer.close()
    service.app.extensions["queue"].destroy()
    service.app.extensions["engine"].dispose()
