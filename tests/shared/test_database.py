"""Transactions and moments behave the same on every database."""

import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError

from shared.database import SILENCE_SECONDS, UtcDateTime, _postgresql_options, open_engine, reading, writing
from tests.databases import POSTGRES, empty_database, taken_away


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    engine = open_engine(f"sqlite:///{tmp_path / 'test.sqlite'}")
    with writing(engine) as session:
        session.execute(text("CREATE TABLE notes (words TEXT)"))
    return engine


def count(engine: Engine) -> int:
    with reading(engine) as session:
        return int(session.execute(text("SELECT count(*) FROM notes")).scalar_one())


def test_what_fails_half_way_leaves_nothing(engine: Engine) -> None:
    def write_and_fail() -> None:
        with writing(engine) as session:
            session.execute(text("INSERT INTO notes VALUES ('a')"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert count(engine) == 0


def test_a_reader_does_not_wait_for_a_writer(engine: Engine) -> None:
    with writing(engine) as session:
        session.execute(text("INSERT INTO notes VALUES ('a')"))
        assert count(engine) == 0
    assert count(engine) == 1


def test_a_reading_transaction_cannot_be_mistaken_for_a_writing_one(engine: Engine) -> None:
    """Two writers queue up instead of failing half-way with a deadlock."""
    started, go_on = threading.Event(), threading.Event()

    def write_slowly() -> None:
        with writing(engine) as session:
            session.execute(text("INSERT INTO notes VALUES ('slow')"))
            started.set()
            go_on.wait(5)

    slow = threading.Thread(target=write_slowly)
    slow.start()
    started.wait(5)
    timer = threading.Timer(0.2, go_on.set)
    timer.start()
    with writing(engine) as session:
        assert session.execute(text("SELECT count(*) FROM notes")).scalar_one() == 1
        session.execute(text("INSERT INTO notes VALUES ('second')"))
    slow.join()
    assert count(engine) == 2


@pytest.mark.parametrize("end", ["commit", "error", "lost connection"])
def test_a_writer_gives_the_next_its_turn_however_it_ends(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr("shared.database.BUSY_TIMEOUT_SECONDS", 60)
    began_at_seconds = time.monotonic()
    with suppress(RuntimeError), writing(engine) as session:
        session.execute(text("INSERT INTO notes VALUES ('a')"))
        if end == "lost connection":
            session.connection().invalidate()
        if end != "commit":
            raise RuntimeError
    with writing(engine) as session:
        session.execute(text("INSERT INTO notes VALUES ('b')"))
    assert time.monotonic() - began_at_seconds < 30


def test_a_database_that_stays_locked_is_an_operational_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.database.BUSY_TIMEOUT_SECONDS", 0)
    engine = open_engine(f"sqlite:///{tmp_path / 'locked.sqlite'}")
    with writing(engine) as session:
        session.execute(text("CREATE TABLE notes (words TEXT)"))
        with pytest.raises(OperationalError), writing(engine) as second:
            second.execute(text("CREATE TABLE more (words TEXT)"))


def test_moments_come_back_in_utc() -> None:
    kind = UtcDateTime()
    moment = datetime(2026, 3, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    for dialect in (sqlite.dialect(), postgresql.dialect()):
        stored = kind.process_bind_param(moment, dialect)
        assert kind.process_result_value(stored, dialect) == datetime(2026, 3, 1, tzinfo=UTC)


def test_a_moment_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        UtcDateTime().process_bind_param(datetime(2026, 3, 1), sqlite.dialect())  # noqa: DTZ001 - the point


def test_no_statement_on_postgresql_waits_without_an_end() -> None:
    options = _postgresql_options()
    assert "lock_timeout=10s" in options["options"]
    assert "statement_timeout=30s" in options["options"]
    silence_seconds = options["keepalives_idle"] + options["keepalives_interval"] * options["keepalives_count"]
    assert silence_seconds <= options["tcp_user_timeout"] / 1000 == SILENCE_SECONDS
    assert options["connect_timeout"] <= SILENCE_SECONDS


@pytest.mark.skipif(POSTGRES is None, reason="SQLite has no server")
def test_a_connection_that_the_server_dropped_is_replaced_unseen(tmp_path: Path) -> None:
    with empty_database(tmp_path) as url:
        engine = open_engine(url)
        with reading(engine) as session:
            assert session.scalar(text("SHOW statement_timeout")) == "30s"
        with taken_away(engine), pytest.raises(OperationalError), reading(engine) as session:
            session.execute(text("SELECT 1"))
        with reading(engine) as session:
            assert session.scalar(text("SELECT 1")) == 1
        engine.dispose()
