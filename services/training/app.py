"""Wires the training service's HTTP side together; `worker` is the other side."""

from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from dbos import DBOS, DBOSClient
from flask import Flask
from sqlalchemy import make_url, text

from services.training.api import ERRORS, new_training_blueprint
from services.training.peers import Peers
from services.training.settings import Settings
from services.training.worker import utc_now
from services.training.workflow import APPLICATION, enqueue_options
from shared.auth import KeyRing
from shared.database import is_at_head, open_engine, upgrade
from shared.web import new_api, seal

MIGRATIONS: Final = Path(__file__).with_name("migrations")


def create_app(settings: Settings, peers: Peers, *, now: Callable[[], datetime] = utc_now) -> Flask:
    """Builds the API; the tables must be at head, and a worker does the runs.

    Args:
        settings: where everything is.
        peers: ingestion and registry.
        now: gives the time.

    Raises:
        KeyFileError: if the bearer keys cannot be read.
    """
    keys = KeyRing.from_file(settings.keys_file, production=settings.production)
    engine = open_engine(settings.database_url)
    queue = DBOSClient(
        system_database_url=settings.dbos_database_url,
        application_name=APPLICATION,
        lazy=True,
        retry_connection_errors=False,
    )

    def enqueue(run_id: str) -> None:
        queue.enqueue(enqueue_options(run_id), run_id)

    api = new_api(
        __name__,
        "Quietline training",
        "Turns a snapshot of verified reports into a judged candidate for the registry.",
        version=version("quietline"),
        keys=keys,
        errors=ERRORS,
        checks={"database": lambda: None if is_at_head(engine, MIGRATIONS) else "the tables are not at head"},
    )
    api.register_api(new_training_blueprint(settings, engine, peers, enqueue, now))
    seal(api)
    api.extensions |= {"engine": engine, "queue": queue}
    return api


def migrate(settings: Settings) -> None:
    """Brings the tables to head, those of DBOS too."""
    engine = open_engine(settings.database_url)
    upgrade(engine, MIGRATIONS)
    engine.dispose()
    if make_url(settings.dbos_database_url).get_backend_name() == "sqlite":
        queue = open_engine(settings.dbos_database_url)
        with queue.connect() as connection:
            connection.execute(text("SELECT 1"))  # opening it sets the write-ahead log, which stays
        queue.dispose()
    DBOS.migrate(settings.dbos_database_url)
