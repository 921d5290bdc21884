"""Empty databases for tests: SQLite files, or databases on the PostgreSQL server that the environment names."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine, NullPool, create_engine, make_url, text

POSTGRES = os.environ.get("QUIETLINE_TEST_POSTGRES")
"""Address of a PostgreSQL server whose user may create databases, to run the same tests there: postgresql+psycopg://..."""


@contextmanager
def empty_database(folder: Path, file_name: str = "empty.sqlite") -> Iterator[str]:
    """Gives the address of a database without tables: a file in the folder, or on a server until it is given back."""
    if POSTGRES is None:
        yield f"sqlite:///{folder / file_name}"
        return
    name = f"quietline_{uuid.uuid4().hex}"
    server = create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield make_url(POSTGRES).set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        server.dispose()


@contextmanager
def taken_away(engine: Engine) -> Iterator[None]:
    """Makes a database unreachable for whoever uses it, as a server that is down is, and gives it back in the end."""
    if engine.dialect.name == "sqlite":
        engine.dispose()
        file = Path(engine.url.database or "")
        hidden = file.with_name(f"{file.name}.hidden")
        file.rename(hidden)
        file.mkdir()  # a missing file would be made anew, empty
        try:
            yield
        finally:
            engine.dispose()
            file.rmdir()
            hidden.rename(file)
        return
    name = engine.url.database
    server = create_engine(engine.url.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with server.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
        )
        try:
            yield
        finally:
            connection.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
