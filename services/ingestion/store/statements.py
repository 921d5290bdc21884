"""What all of store/ needs to write statements for both databases."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Engine, Table, and_, or_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session

MAX_PARAMETERS: Final = 5000
PATIENCE_MILLISECONDS: Final = 200
"""How long readers of SQLite may put off that the log is emptied."""

Item = TypeVar("Item")


def chunks(items: Sequence[Item], size: int = MAX_PARAMETERS) -> Iterator[Sequence[Item]]:
    """Cuts a list into parts that fit one statement."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def is_postgresql(session: Session) -> bool:
    """Tells which of the two databases it is."""
    return session.get_bind().dialect.name == "postgresql"


def table(rows: type[DeclarativeBase]) -> Table:
    """Gives the table itself: statements on it skip the mapping of rows to objects, which counts in bulk."""
    found = rows.__table__
    assert isinstance(found, Table)  # noqa: S101 - every class of tables.py is one table
    return found


@cache
def insert_unless_known(postgres: bool, rows: type[DeclarativeBase]) -> Any:
    """Gives an INSERT that returns nothing, and does nothing, where a unique value is there already."""
    target = table(rows)
    statement = (postgresql if postgres else sqlite).insert(target)
    return statement.on_conflict_do_nothing().returning(*target.primary_key.columns)


@cache
def upsert(postgres: bool, rows: type[DeclarativeBase], column: str, *, adds: bool) -> Any:
    """Gives an INSERT that, where the key is there already, sets one column anew or adds to it."""
    target = table(rows)
    statement = (postgresql if postgres else sqlite).insert(target)
    new = statement.excluded[column]
    return statement.on_conflict_do_update(
        index_elements=target.primary_key.columns, set_={column: target.c[column] + new if adds else new}
    )


def insert_tuples(
    session: Session, rows: type[DeclarativeBase], columns: Sequence[str], values: Sequence[tuple[int, ...]]
) -> None:
    """Inserts whole numbers straight through the driver, for the one table with ten rows for each report."""
    if values:
        mark = "%s" if is_postgresql(session) else "?"
        marks = ", ".join(mark for _ in columns)
        statement = f"INSERT INTO {table(rows).name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608 - names only
        session.connection().exec_driver_sql(statement, list(values))


def before(
    first: InstrumentedAttribute[Any], second: InstrumentedAttribute[Any], position: tuple[datetime | int, str | int]
) -> ColumnElement[bool]:
    """Gives the condition of all rows after a position in a list that is sorted by both columns, downwards."""
    return or_(first < position[0], and_(first == position[0], second < position[1]))


def empty_log(engine: Engine) -> None:
    """Takes what was deleted out of SQLite's write-ahead log too, which keeps it long after the transaction.

    Readers are hardly waited for, since no writer gets its turn in the meantime: what the log still holds because of
    them, or because the disk is full, goes with the next call. PostgreSQL minds its log itself.
    """
    if engine.dialect.name != "sqlite":
        return
    with closing(engine.raw_connection()) as connection:
        connection.detach()  # The short patience is this connection's own.
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={PATIENCE_MILLISECONDS}")
        with suppress(sqlite3.OperationalError):
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def consistent(engine: Engine) -> Engine:
    """Gives an engine whose reading transactions see one state of the database throughout."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ")
    return engine
