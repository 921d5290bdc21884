"""What starts runs besides people: a clock, and verified labels.

Whoever runs several workers gets one run for one occasion: the run of a schedule is named after its moment, and the run
for new labels is made in the transaction that remembers their count.
"""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy import Engine

from services.training import store
from services.training.peers import PeerError, Peers
from services.training.recipe import Recipe
from services.training.runs import Run, State, UnknownRunError
from shared.database import reading, writing

LATEST: Final = "latest"
"""The name that stands for the newest snapshot."""

LABELS_TRIGGER: Final = "new_labels"

_NAMES: Final = uuid.UUID("6d1f2a54-6c39-4f0c-9d5b-5f3f1f0f6d4e")

log = structlog.get_logger()


def new_run(run_id: str, snapshot: str, recipe: Recipe, requested_by: str, at: datetime) -> Run:
    """Makes a run that waits for a worker."""
    return Run(run_id, State.QUEUED, snapshot, recipe.document(), requested_by, at)


def run_for_schedule(engine: Engine, peers: Peers, scheduled_at: datetime, now: datetime) -> str:
    """Makes the run of one moment of the schedule, once however often it is asked for; gives its id."""
    run_id = uuid.uuid5(_NAMES, scheduled_at.isoformat()).hex
    with reading(engine) as session:
        try:
            return store.find_run(session, run_id).id
        except UnknownRunError:
            pass
    run = new_run(run_id, freshest_snapshot(peers), Recipe(), "schedule", now)
    with writing(engine) as session:
        store.add_run(session, run)
    return run_id


def run_for_new_labels(
    engine: Engine, peers: Peers, new_labels_per_run: int, now: Callable[[], datetime]
) -> str | None:
    """Makes a run if enough labels were verified since the last one; gives its id, or None.

    The first time it only remembers the count: a service that was just set up has nothing new.

    Raises:
        PeerError: if ingestion does not say how many there are.
    """
    verified = peers.ingestion.verified_labels()
    with reading(engine) as session:
        before = store.labels_at_last_run(session, LABELS_TRIGGER)
    if before is not None and 0 <= verified - before < new_labels_per_run:
        return None
    snapshot = freshest_snapshot(peers) if before is not None and verified > before else LATEST
    with writing(engine) as session:
        if store.labels_at_last_run(session, LABELS_TRIGGER) != before:
            return None  # another worker was faster
        store.set_labels(session, LABELS_TRIGGER, verified)
        if before is None or verified < before:
            return None
        run = new_run(uuid.uuid4().hex, snapshot, Recipe(), "new labels", now())
        store.add_run(session, run)
        return run.id


def freshest_snapshot(peers: Peers) -> str:
    """Freezes a snapshot of what is verified now; where that is not possible, the newest one must do."""
    try:
        return peers.ingestion.freeze_snapshot().id
    except PeerError as error:
        log.warning("snapshot_not_frozen", why=type(error).__name__)
        return LATEST
