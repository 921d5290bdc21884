"""Saves databases while they are in use, and restores them where there is none: SQLite and PostgreSQL."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Literal

from alembic.migration import MigrationContext
from psycopg.conninfo import make_conninfo
from sqlalchemy import NullPool, create_engine, inspect, make_url
from sqlalchemy.exc import DBAPIError

from services.backup.errors import BackupError, DamagedBackupError, DatabaseToolError, NotEmptyError, NothingHereError
from services.backup.files import drafted
from services.backup.manifest import SavedDatabase
from services.backup.places import Database
from shared.database import is_known_revision, kind_of

SIDE_FILES: Final = ("-wal", "-shm", "-journal")
SYSTEM_SCHEMAS: Final = frozenset({"information_schema", "pg_catalog"})


def describe(database: Database) -> SavedDatabase:
    """Gives the kind of a database and the revision of its tables.

    Raises:
        NothingHereError: if it does not exist or does not answer.
    """
    if database.is_sqlite and not _file(database).exists():
        raise NothingHereError(f"{_file(database)} does not exist; was a suite ever started here?")
    kind: Literal["sqlite", "postgresql"] = "sqlite" if database.is_sqlite else "postgresql"
    if database.migrations is None:
        return SavedDatabase(kind=kind, revision=None)
    engine = create_engine(database.url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
    except DBAPIError as error:
        raise NothingHereError(f"the database of {database.name} cannot be read ({kind_of(error)})") from error
    return SavedDatabase(kind=kind, revision=revision)


def save(database: Database, target: Path) -> None:
    """Writes a consistent copy of a database that may be in use.

    Raises:
        BackupError: if the database is damaged, or pg_dump refuses.
    """
    with drafted(target) as draft:
        if database.is_sqlite:
            _save_sqlite(database, draft)
        else:
            _run("pg_dump", ["--format=custom", "--no-owner", "--no-privileges", f"--file={draft}"], database)


def refuse_filled(database: Database) -> None:
    """Makes sure that there is nothing in the way of a restored database.

    Raises:
        NotEmptyError: if there is.
        NothingHereError: if the server does not answer.
    """
    if database.is_sqlite:
        file = _file(database)
        for path in (file, *(file.with_name(file.name + end) for end in SIDE_FILES)):
            if path.exists():
                raise NotEmptyError(f"{path} is there already; restore into an empty folder")
        return
    engine = create_engine(database.url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            schemas = [name for name in inspect(connection).get_schema_names() if name not in SYSTEM_SCHEMAS]
            tables = [table for name in schemas for table in inspect(connection).get_table_names(name)]
    except DBAPIError as error:
        raise NothingHereError(f"the database of {database.name} does not answer ({kind_of(error)})") from error
    if tables:
        words = f"the database of {database.name} holds {len(tables)} tables already"
        raise NotEmptyError(f"{words}; restore into an empty one, before anything is migrated")


def restore(database: Database, source: Path) -> None:
    """Brings a saved database back where `refuse_filled` found nothing.

    Raises:
        DatabaseToolError: if pg_restore refuses.
    """
    if database.is_sqlite:
        with drafted(_file(database)) as draft:
            shutil.copyfile(source, draft)
        return
    options = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]
    _run("pg_restore", [*options, f"--dbname={_conninfo(database)}", str(source)], database)


def refuse_unfit(database: Database, saved: SavedDatabase) -> None:
    """Makes sure that a saved database fits the place that it would go to, and this version.

    Raises:
        DamagedBackupError: if it was saved from another kind of server, or by a newer version.
    """
    here = "sqlite" if database.is_sqlite else "postgresql"
    if saved.kind != here:
        raise DamagedBackupError(f"{database.name} was saved from {saved.kind}, and cannot be restored into {here}")
    if database.migrations is not None and not is_known_revision(database.migrations, saved.revision):
        raise DamagedBackupError(
            f"{database.name} is at revision {saved.revision}, which this version does not know; install a newer one"
        )


def _save_sqlite(database: Database, draft: Path) -> None:
    source_url = f"{_file(database).absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(source_url, uri=True)) as source, closing(sqlite3.connect(draft)) as target:
        try:
            source.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")
            found = target.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.Error as error:
            raise BackupError(f"{_file(database)} cannot be read ({type(error).__name__})") from error
        if found != ("ok",):
            raise BackupError(f"{_file(database)} is damaged; use an earlier backup")


def _file(database: Database) -> Path:
    return Path(make_url(database.url).database or "")


def _run(program: str, arguments: Sequence[str], database: Database) -> None:
    """Runs a program of PostgreSQL; the password goes through the environment, where no list of processes shows it.

    Raises:
        DatabaseToolError: if it is not installed or fails; of what it says only its first complaint is repeated.
    """
    path = shutil.which(program)
    if path is None:
        raise DatabaseToolError(f"{program} is not installed; install the client programs of PostgreSQL")
    password = make_url(database.url).password
    environment = os.environ | ({"PGPASSWORD": str(password)} if password else {})
    where = [] if program == "pg_restore" else [f"--dbname={_conninfo(database)}"]
    done = subprocess.run([path, *where, *arguments], env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        complaint = next((line for line in done.stderr.splitlines() if line.startswith(f"{program}: error:")), "")
        raise DatabaseToolError(f"the database of {database.name}: {complaint or f'{program} failed'}")


def _conninfo(database: Database) -> str:
    """Gives what libpq needs to know to connect, but the password."""
    url = make_url(database.url)
    options = {str(name): str(value) for name, value in url.query.items()}
    parts = {"host": url.host, "port": url.port, "user": url.username, "dbname": url.database} | options
    return make_conninfo(**{name: str(value) for name, value in parts.items() if value is not None})
