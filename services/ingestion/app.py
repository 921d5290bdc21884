"""Wires the ingestion service: settings in, a Flask app out. Nothing is built at import."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from flask import Flask

from services.ingestion.api import ERRORS, new_ingestion_blueprint
from services.ingestion.metrics import Counts, show_states
from services.ingestion.settings import Settings
from services.ingestion.snapshots import SnapshotFolder
from shared.auth import KeyRing
from shared.database import complaint_of_tables, open_engine, upgrade
from shared.web import Metrics, look_at_clock, look_at_room, new_api, seal

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
    metrics = Metrics()
    counts = Counts(metrics)
    show_states(metrics, engine, clock)
    metrics.disk_free(snapshots=settings.snapshots_url)
    api = new_api(
        __name__,
        "Quietline ingestion",
        "Receives reports of messages, masks and groups them, and freezes those with labels into data sets.",
        service="ingestion",
        version=version("quietline"),
        keys=KeyRing.from_file(settings.keys_file, production=settings.production),
        errors=ERRORS,
        metrics=metrics,
        checks={"database": lambda: complaint_of_tables(engine, MIGRATIONS)},
        looks={
            "clock": lambda: look_at_clock(engine, clock),
            "room": lambda: look_at_room(settings.snapshots_url),
        },
    )
    api.register_api(new_ingestion_blueprint(engine, SnapshotFolder.at(settings.snapshots_url), clock, counts))
    seal(api)
    api.extensions["engine"] = engine
    return api
