"""Wires the registry together."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Final

import structlog
from flask import Flask
from sqlalchemy import Engine

from services.registry import gate, operations
from services.registry.api import ERRORS, new_registry_blueprint
from services.registry.blobs import ModelBlobs
from services.registry.files import Disk
from services.registry.metadata import LIFETIMES, KeyOfflineError, Published
from services.registry.metrics import show_states
from services.registry.publishing import Publisher, Resigning
from services.registry.repository import Repository
from services.registry.settings import Settings
from services.registry.signing import KeyFolder
from services.registry.static import create_static_app
from shared.auth import KeyRing
from shared.database import complaint_of_tables, open_engine, upgrade
from shared.web import Metrics, State, look_at_clock, look_at_room, new_api, seal

MIGRATIONS: Final = Path(__file__).with_name("migrations")

__all__ = ["create_app", "create_static_app", "migrate", "start_resigning"]

SIGNING_MAY_TAKE: Final = timedelta(hours=1)
"""The job that signs anew looks every few minutes; what is late by so much is not being signed."""

log = structlog.get_logger()


def utc_now() -> datetime:
    """Gives the time."""
    return datetime.now(UTC)


def create_app(settings: Settings, *, now: Callable[[], datetime] = utc_now, disk: Disk | None = None) -> Flask:
    """Builds the registry; the tables must be at head. Its `extensions["engine"]` is the open database.

    Development keys and the repository are made where they are missing; what a killed process left behind is
    completed or thrown away.

    Args:
        settings: where everything is.
        now: gives the time.
        disk: writes what is published.

    Raises:
        RepositoryError: if production has no keys, or those of development.
        KeyFileError: if the bearer keys cannot be read.
    """
    keys = KeyRing.from_file(settings.keys_file, production=settings.production)
    engine = open_engine(settings.database_url)
    disk = disk or Disk()
    publisher = new_publisher(settings, engine, now, disk)
    publisher.prepare()
    metrics = Metrics()
    show_states(metrics, engine, publisher, now)
    metrics.disk_free(candidates=settings.candidates_url, published=str(settings.publish_dir))
    api = new_api(
        __name__,
        "Quietline registry",
        f"Judges candidates, keeps channels, publishes signed releases. {gate.describe()}",
        service="registry",
        version=version("quietline"),
        keys=keys,
        errors=ERRORS,
        metrics=metrics,
        checks={
            "database": lambda: complaint_of_tables(engine, MIGRATIONS),
            "publication": publisher.complaint,
            "signing_keys": publisher.complaint_of_keys,
        },
        looks={
            "clock": lambda: look_at_clock(engine, now),
            "room": lambda: look_at_room(settings.candidates_url),
            "room_published": lambda: look_at_room(str(settings.publish_dir)),
            "signatures": lambda: look_at_signatures(publisher.published(), now()),
        },
    )
    blobs = ModelBlobs(settings.candidates_url, disk)
    promote = automatic_promotion(settings, publisher, now)
    api.register_api(new_registry_blueprint(engine, publisher, blobs, now, promote))
    seal(api)
    api.extensions["engine"] = engine
    return api


def look_at_signatures(published: Published | None, now: datetime) -> tuple[State, str]:
    """Judges how long phones will accept what is published."""
    if published is None:
        return State.FAILED, "what is published cannot be read"
    left = {role: at - now for role, at in published.expiries().items()}
    words = ", ".join(f"{role} {in_words(duration)}" for role, duration in left.items())
    if min(left.values()) <= timedelta(0):
        return State.FAILED, f"expired, so that phones update no more: {words}"
    overdue = [role for role in left if left[role] < LIFETIMES[role].renew_before - SIGNING_MAY_TAKE]
    if overdue:
        return State.WARNING, f"{', '.join(overdue)} should have been signed again by now: {words}"
    return State.OK, f"valid for: {words}"


def in_words(duration: timedelta) -> str:
    """Writes a duration in days and hours; below nothing if it is over."""
    sign, hours = ("-" if duration < timedelta(0) else ""), int(abs(duration).total_seconds() // 3600)
    return f"{sign}{hours // 24} d {hours % 24} h"


def migrate(settings: Settings) -> None:
    """Brings the tables to head."""
    engine = open_engine(settings.database_url)
    upgrade(engine, MIGRATIONS)
    engine.dispose()


def start_resigning(settings: Settings) -> Callable[[], None]:
    """Starts the job that signs metadata anew before it expires, and gives the function that stops it."""
    engine = open_engine(settings.database_url)
    resigning = Resigning(new_publisher(settings, engine, utc_now, Disk()))
    resigning.start()

    def stop() -> None:
        resigning.stop()
        engine.dispose()

    return stop


def new_publisher(settings: Settings, engine: Engine, now: Callable[[], datetime], disk: Disk) -> Publisher:
    """Builds what changes channels and shows them to phones."""
    keys = KeyFolder(settings.tuf_keys_dir, disk)
    return Publisher(
        engine,
        Repository(settings.publish_dir, keys, now, disk),
        keys,
        ModelBlobs(settings.candidates_url, disk),
        now=now,
        lock_file=settings.publish_dir / ".lock",
        production=settings.production,
    )


def automatic_promotion(settings: Settings, publisher: Publisher, now: Callable[[], datetime]) -> Callable[[str], None]:
    """Gives what happens to a candidate that was accepted: nothing, unless settings name a channel."""

    def promote(release: str) -> None:
        channel, percentage = settings.promote_to, settings.promote_percentage
        if channel is None:
            return
        try:
            publisher.change(lambda session: operations.promote_by_itself(session, channel, release, percentage, now()))
        except KeyOfflineError:
            log.warning("automatic_promotion_needs_key", release=release)

    return promote
