"""Wires the training service's HTTP side together; `worker` is the other side."""

from collections.abc import Callable
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from dbos import DBOS, DBOSClient
from flask import Flask
from sqlalchemy import Engine, make_url, text

from services.training.api import ERRORS, new_training_blueprint
from services.training.metrics import newest_beat, show_states
from services.training.peers import Peer, PeerError, Peers, complaint_of_key
from services.training.settings import Settings
from services.training.worker import utc_now
from services.training.workflow import APPLICATION, enqueue_options
from shared.auth import KeyRing
from shared.database import complaint_of_tables, open_engine, upgrade
from shared.web import Metrics, State, judge_clock, look_at_clock, look_at_room, new_api, seal

MIGRATIONS: Final = Path(__file__).with_name("migrations")
LEASES_OF_SILENCE: Final = 2
"""A worker beats several times in a lease; whoever missed two is dead, or its clock is wrong."""


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

    metrics = Metrics()
    show_states(metrics, engine, now)
    metrics.disk_free(runs=settings.runs_url)
    api = new_api(
        __name__,
        "Quietline training",
        "Turns a snapshot of verified reports into a judged candidate for the registry.",
        service="training",
        version=version("quietline"),
        keys=keys,
        errors=ERRORS,
        metrics=metrics,
        checks={
            "database": lambda: complaint_of_tables(engine, MIGRATIONS),
            "peer_key": lambda: complaint_of_key(settings.peer_key_file),
            "worker": lambda: complaint_of_workers(engine, settings.lease_seconds, now()),
        },
        looks={
            "clock": lambda: look_at_clock(engine, now),
            "room": lambda: look_at_room(settings.runs_url),
            "ingestion_from_training": lambda: look_at_peer(peers.ingestion, now),
            "registry_from_training": lambda: look_at_peer(peers.registry, now),
        },
    )
    api.register_api(new_training_blueprint(settings, engine, peers, enqueue, now))
    seal(api)
    api.extensions |= {"engine": engine, "queue": queue}
    return api


def complaint_of_workers(engine: Engine, lease_seconds: float, now: datetime) -> str | None:
    """Says in words that no worker does runs, or gives None.

    It trusts the clocks of workers, which `leases` does not: here a wrong one costs no more than a wrong word.
    """
    newest = newest_beat(engine)
    if newest is None:
        return "no worker has started; runs wait"
    silent_seconds = (now - newest).total_seconds()
    if silent_seconds > LEASES_OF_SILENCE * lease_seconds:
        return f"no worker has shown that it lives for {silent_seconds:.0f} s; runs wait"
    return None


def look_at_peer(peer: Peer, now: Callable[[], datetime]) -> tuple[State, str]:
    """Calls a peer as a run does, and compares its clock with ours."""
    try:
        seconds, there = peer.look()
    except PeerError as error:
        return State.FAILED, str(error)
    if there is not None:
        state, words = judge_clock((there - now()).total_seconds(), "its clock")
        if state is not State.OK:
            return state, words
    return State.OK, f"answers in {seconds * 1000:.0f} ms"


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
