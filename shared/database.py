"""Engines, transactions and migrations, the same for every service, on SQLite and on PostgreSQL.

Only the three `store.py`, their `migrations/` and the composition roots use this.
"""

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, DateTime, Dialect, Engine, MetaData, create_engine, event, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

from shared.problems import Problem

BUSY_TIMEOUT_SECONDS: Final = 5
LOCK_TIMEOUT_SECONDS: Final = 10
STATEMENT_TIMEOUT_SECONDS: Final = 30
CONNECT_TIMEOUT_SECONDS: Final = 5
SILENCE_SECONDS: Final = 15
"""A server that acknowledges nothing for so long is gone, and whoever waits for it is told."""
TURN: Final = "quietline_turn"
"""Where a connection remembers that it is its turn to write."""
POOL_SIZE: Final = 5
POOL_OVERFLOW: Final = 15
"""Beyond `POOL_SIZE`, for as long as they are needed: together more than a process has threads."""
POOL_TIMEOUT_SECONDS: Final = 10
MIGRATION_LOCK: Final = 0x517E71E  # any number that all replicas agree on

NAMING_CONVENTION: Final = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Constraint names that a migration can refer to on every database."""


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC: aware in Python, whatever the database can store."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses a moment without a time zone, which could mean anything."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Gives the moment back in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


def open_engine(url: str) -> Engine:
    """Opens a database, which must exist; a SQLite file is made where there is none.

    SQLite runs with a write-ahead log and full synchronisation: what was committed survives a power cut. What is
    deleted or changed is overwritten with zeros, so that a report that is withdrawn leaves no earlier copy; only where
    SQLite moves rows from one page to another may a copy stay in the unused part of a page.
    """
    if not url.startswith("sqlite"):
        return create_engine(
            url,
            pool_pre_ping=True,
            pool_size=POOL_SIZE,
            max_overflow=POOL_OVERFLOW,
            pool_timeout=POOL_TIMEOUT_SECONDS,
            connect_args=_postgresql_options(),
        )
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS})

    @event.listens_for(engine, "connect")
    def set_up_connection(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy begins transactions, not the driver
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    turn = threading.Lock()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("reads_only", False):
            connection.exec_driver_sql("BEGIN")
            return
        # SQLite lets writers look again and again whether they may, and so starves some of many. Those of this engine
        # wait for each other here; for those of another process it looks as before.
        remembered = connection.connection.record_info
        if remembered is not None and turn.acquire(timeout=BUSY_TIMEOUT_SECONDS):
            remembered[TURN] = True
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine, "checkin")
    def end_turn(_connection: object, record: ConnectionPoolEntry) -> None:
        if (record.record_info or {}).pop(TURN, False):
            turn.release()

    return engine


def _postgresql_options() -> dict[str, Any]:
    """Gives what libpq is told of each connection: nothing may wait without an end."""
    return {
        "options": f"-c lock_timeout={LOCK_TIMEOUT_SECONDS}s -c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s",
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "tcp_user_timeout": SILENCE_SECONDS * 1000,
        "keepalives_idle": SILENCE_SECONDS // 3,
        "keepalives_interval": SILENCE_SECONDS // 3,
        "keepalives_count": 2,
    }


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Opens one transaction that is committed at the end, or rolled back on an error."""
    with Session(engine) as session, session.begin():
        yield session


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Opens one transaction that only reads, so that on SQLite it waits for no writer."""
    with Session(engine.execution_options(reads_only=True)) as session, session.begin():
        yield session


DatabaseError = DBAPIError | PoolTimeoutError
DATABASE_ERRORS: Final = (DBAPIError, PoolTimeoutError)
"""What SQLAlchemy raises when a statement fails, or when no connection becomes free in time."""

DISK_FULL: Final = "53100"
AWAY: Final = frozenset({"25006", "42P01"})
"""SQLSTATEs that are no `OperationalError` and pass all the same: a server that became a read-only standby, and tables
that are not there yet, which SQLite counts among its operational errors."""


def kind_of(error: DatabaseError) -> str:
    """Names what went wrong, for a log: the text of the error may hold a message."""
    return type(error.orig if isinstance(error, DBAPIError) else error).__name__


def as_problem(error: DatabaseError) -> Problem:
    """Says in words what a database error means for the client, without the database's own text."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    sqlstate, message = getattr(cause, "sqlstate", None), str(cause)
    if sqlstate == DISK_FULL or "disk is full" in message or "No space left" in message:
        return storage_full()
    if isinstance(error, OperationalError | PoolTimeoutError) or error.connection_invalidated or sqlstate in AWAY:
        return Problem(
            "database-unavailable",
            "The database does not answer",
            503,
            "What was sent is not acknowledged. Send the same request again in a moment.",
            headers={"Retry-After": "2"},
        )
    return Problem("internal-error", "Something went wrong on our side", 500, "Nothing was changed.")


def is_storage_full(error: OSError) -> bool:
    """Tells a full disk or quota from other failures of the file system."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


def storage_full() -> Problem:
    """The answer when there is no room left to write."""
    return Problem(
        "storage-full",
        "The server has no room left to store this",
        507,
        "Nothing was changed. The operator must free disk space; then send the same request again.",
        headers={"Retry-After": "60"},
    )


def _alembic_config(migrations: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations))
    return config


def upgrade(engine: Engine, migrations: Path) -> None:
    """Brings the tables to the newest revision, under a lock, so that two callers cannot collide."""
    config = _alembic_config(migrations)
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_at_head(engine: Engine, migrations: Path) -> bool:
    """Tells whether the tables are those that this source tree expects."""
    heads = set(ScriptDirectory.from_config(_alembic_config(migrations)).get_heads())
    with engine.connect() as connection:
        return set(MigrationContext.configure(connection).get_current_heads()) == heads


def is_known_revision(migrations: Path, revision: str | None) -> bool:
    """Tells whether this source tree can bring tables of a revision to its head."""
    known = {script.revision for script in ScriptDirectory.from_config(_alembic_config(migrations)).walk_revisions()}
    return revision in known


def complaint_of_tables(engine: Engine, migrations: Path) -> str | None:
    """Says in words that the tables are not those that this source tree expects, or gives None."""
    return None if is_at_head(engine, migrations) else "the tables are not at head; migrate first"


def run_migrations(metadata: MetaData) -> None:
    """What each service's `migrations/env.py` calls."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        render_as_batch=True,  # SQLite can alter a table only by copying it
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
