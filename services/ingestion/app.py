"""Wires the ingestion service: settings in, a Flask app out. Nothing is built at import."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from flask import Flask
from sqlalchemy import Engine, text

from services.ingestion.api import ERRORS, new_ingestion_blueprint
from services.ingestion.settings import Settings
from services.ingestion.snapshots import SnapshotFolder
from shared.auth import KeyRing
from shared.database import is_at_head, open_engine, upgrade
from shared.web import new_api, seal

MIGRATIONS: Final = Path(__file__).with_name("migrations")


def utc_now() -> datetime:
    """Gives the present time."""
    return datetime.now(UTC)


def migrate(settings: Settings) -> None:
    """Brings the service's tables to the form that this source tree expects."""
    engine = open_engine(settings.database_url)
    upgrade(engine, MIGRATIONS)
    engine.dispose()


def create_app(settings: Settings, clock: Callable[[], datetime] = utc_now) -> Flask:
    """Makes the app; the tables must be migrated.

    Args:
        settings: what the operator set.
        clock: gives the present time, in UTC.

    Raises:
        KeyFileError: if the key file is missing, malformed or not allowed in this mode.
    """
    engine = open_engine(settings.database_url)
    api = new_api(
        __name__,
        "Quietline ingestion",
        "Receives reports of messages, masks and groups them, and freezes those with labels into data sets.",
        version=version("quietline"),
        keys=KeyRing.from_file(settings.keys_file, production=settings.production),
        errors=ERRORS,
        checks={"database": lambda: _check_database(engine)},
    )
    api.register_api(new_ingestion_blueprint(engine, SnapshotFolder.at(settings.snapshots_url), clock))
    seal(api)
    api.extensions["engine"] = engine
    return api


def _check_database(engine: Engine) -> str | None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return None if is_at_head(engine, MIGRATIONS) else "the tables are not those of this version; migrate first"
