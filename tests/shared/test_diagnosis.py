"""A closer look asks everything at once, tells each thing in words, and only the admin may have it."""

import errno
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest
from flask.testing import FlaskClient
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from shared.auth import KeyEntry, KeyRing, Scope, hash_key
from shared.database import open_engine
from shared.web import Look, Metrics, State, look_at_clock, new_api, seal
from tests.databases import POSTGRES, empty_database, taken_away


def raising(error: Exception) -> Look:
    def look() -> NoReturn:
        raise error

    return look


def client(**looks: Look) -> FlaskClient:
    keys = tuple(
        KeyEntry(name=name, sha256=hash_key(name), scopes=frozenset({scope}))
        for name, scope in (("admin", Scope.ADMIN), ("trainer", Scope.TRAIN))
    )
    api = new_api(
        __name__, "Notes", "For tests", service="notes", version="1.2", keys=KeyRing(keys), errors={},
        metrics=Metrics(), checks={"pen": lambda: None, "ink": lambda: "dry"}, looks=looks,
    )  # fmt: skip
    seal(api)
    return api.test_client()


def test_everything_is_asked_however_bad_it_is() -> None:
    answer = client(
        paper=lambda: (State.WARNING, "nearly used up"),
        shelf=raising(OSError(errno.EIO, "13800138000")),
        archive=raising(OperationalError("SELECT 13800138000", {}, Exception("13800138000"))),
    ).get("/v1/diagnosis", headers={"Authorization": "Bearer admin"})
    assert answer.status_code == 200
    assert (answer.json["service"], answer.json["version"]) == ("notes", "1.2")
    assert {one["check"]: (one["state"], one["words"]) for one in answer.json["findings"]} == {
        "keys": ("ok", "ok"),
        "pen": ("ok", "ok"),
        "ink": ("failed", "dry"),
        "paper": ("warning", "nearly used up"),
        "shelf": ("failed", "failed (OSError)"),
        "archive": ("failed", "does not answer (Exception)"),
    }
    assert "13800138000" not in answer.text


@pytest.mark.parametrize(("key", "status"), [("trainer", 403), ("stranger", 401)])
def test_only_the_admin_is_told(key: str, status: int) -> None:
    assert client().get("/v1/diagnosis", headers={"Authorization": f"Bearer {key}"}).status_code == status


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with empty_database(tmp_path) as url:
        engine = open_engine(url)
        yield engine
        engine.dispose()


@pytest.mark.skipif(POSTGRES is None, reason="SQLite has no clock of its own")
@pytest.mark.parametrize(
    ("ours", "state", "words"),
    [(0, State.OK, "agrees within 5 s"), (30, State.WARNING, "30 s behind"), (-600, State.FAILED, "600 s ahead")],
)
def test_the_databases_clock_is_compared_with_ours(engine: Engine, ours: int, state: State, words: str) -> None:
    found, told = look_at_clock(engine, lambda: datetime.now(UTC) + timedelta(seconds=ours))
    assert found is state
    assert words in told


@pytest.mark.skipif(POSTGRES is None, reason="SQLite is not asked for the time")
def test_a_database_that_is_gone_has_no_clock(engine: Engine) -> None:
    with taken_away(engine), pytest.raises(OperationalError):
        look_at_clock(engine, lambda: datetime.now(UTC))
