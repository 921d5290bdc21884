"""Looks at the folder of an embedded suite, whether it runs or not, and changes nothing in it."""

import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from sqlalchemy import NullPool, create_engine, make_url
from sqlalchemy.exc import DBAPIError

from services.backup.places import Database, Places
from services.embedded import DataDirectory
from services.registry.app import look_at_signatures
from services.registry.files import Disk
from services.registry.metadata import RepositoryError
from services.registry.repository import Repository
from services.registry.signing import KeyFolder, SigningKeyError
from shared.auth import KeyFileError, KeyRing
from shared.database import complaint_of_tables, kind_of
from shared.web import Finding, State, look_at_room


def examine_folder(data: DataDirectory, now: datetime) -> Iterator[Finding]:
    """Gives all findings.

    Args:
        data: the folder.
        now: the time.
    """
    if not data.path.is_dir():
        yield Finding(check="files", state=State.FAILED, words=f"{data.path} does not exist")
        return
    places = Places.of(data.ingestion(), data.training(), data.registry())
    running = data.running_at()
    words = f"in use by the suite at {running}" if running else "in use by no suite"
    yield Finding(check="files", state=State.OK, words=words)
    yield from (_database(database) for database in places.databases)
    yield _bearer_keys(data)
    yield from _published(places, now)
    yield _modes(data)
    state, words = look_at_room(str(data.path))
    yield Finding(check="room", state=state, words=words)


def _database(database: Database) -> Finding:
    file = Path(make_url(database.url).database or "")
    name = database.name
    if not file.is_file():
        return Finding(check="database", state=State.FAILED, words=f"{name}: {file} does not exist")
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()
        complaint = None if found == ("ok",) else "is damaged; restore a backup"
        if complaint is None and database.migrations is not None:
            engine = create_engine(f"sqlite:///file:{file}?mode=ro&uri=true", poolclass=NullPool)
            complaint = complaint_of_tables(engine, database.migrations)
    except sqlite3.Error as error:
        complaint = f"cannot be read ({type(error).__name__})"
    except DBAPIError as error:
        complaint = f"cannot be read ({kind_of(error)})"
    if complaint is not None:
        return Finding(check="database", state=State.FAILED, words=f"{name}: {complaint}")
    return Finding(check="database", state=State.OK, words=f"{name}: whole and at head")


def _bearer_keys(data: DataDirectory) -> Finding:
    is_production = data.ingestion().production
    try:
        ring = KeyRing.from_file(data.key_file, production=is_production)
        holder = ring.find(data.admin_key())
    except (KeyFileError, UnicodeDecodeError) as error:
        return Finding(check="keys", state=State.FAILED, words=str(error))
    except OSError as error:
        return Finding(check="keys", state=State.FAILED, words=f"{data.admin_key_file}: {error.strerror}")
    if holder is None:
        words = f"{data.admin_key_file} holds no key of {data.key_file}"
        return Finding(check="keys", state=State.FAILED, words=words)
    return Finding(check="keys", state=State.OK, words=f"{data.admin_key_file.name} is the key of {holder.name}")


def _published(places: Places, now: datetime) -> Iterator[Finding]:
    settings, disk = places.registry, Disk()
    keys = KeyFolder(settings.tuf_keys_dir, disk)
    repository = Repository(settings.publish_dir, keys, lambda: now, disk)
    try:
        state, words = look_at_signatures(repository.published(), now)
        yield Finding(check="signatures", state=state, words=words)
        offline = repository.offline_roles()
    except (RepositoryError, SigningKeyError) as error:
        yield Finding(check="publication", state=State.FAILED, words=str(error))
        return
    words = f"missing: {', '.join(offline)}" if offline else "snapshot and timestamp can be signed"
    yield Finding(check="signing_keys", state=State.FAILED if offline else State.OK, words=words)
    if settings.production:
        lies_here = keys.holds("root")
        words = f"lies in {settings.tuf_keys_dir}" if lies_here else "is not here"
        yield Finding(check="root_key", state=State.FAILED if lies_here else State.OK, words=words)


def _modes(data: DataDirectory) -> Finding:
    """Looks for secrets that others on this machine may read."""
    secrets = [data.key_file, data.admin_key_file, *(data.path / "registry" / "keys").glob("*.pem")]
    secrets += data.path.rglob("*.sqlite")
    open_ones = [path for path in secrets if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077]
    if not open_ones:
        return Finding(check="modes", state=State.OK, words="keys and databases are their owner's alone")
    names = ", ".join(str(path.relative_to(data.path)) for path in sorted(open_ones)[:5])
    return Finding(check="modes", state=State.WARNING, words=f"others on this machine may read {names}")
