"""A real worker in this process, and how tests wait for it."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Engine

from services.training import store
from services.training.peers import Peers
from services.training.recipe import Recipe, WantedRates
from services.training.runs import Run, Step
from services.training.schedules import new_run
from services.training.settings import Settings
from services.training.worker import Worker
from shared.database import reading, writing
from tests.training.conftest import MOMENT

DEADLINE_SECONDS = 60.0
QUICK = Recipe(
    iterations=8,
    fold_iterations=6,
    folds=2,
    evaluated_copies=5,
    wanted=WantedRates(gentle=0.02, normal=0.05, strict=0.1),
)
"""A recipe that is done in a second."""
ENDLESS = Recipe(iterations=1000, fold_iterations=1000, l2=1e-9, evaluated_copies=5)
"""A recipe whose fit takes long enough to be interrupted."""


def until(condition: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Waits until the condition holds, and fails in words if it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def ask_for(engine: Engine, snapshot: str = "latest", recipe: Recipe = QUICK) -> str:
    """Stores a run as the API does before it queues it."""
    run = new_run(uuid.uuid4().hex, snapshot, recipe, "tester", MOMENT)
    with writing(engine) as session:
        store.add_run(session, run)
    return run.id


def show_life(engine: Engine, seen_at: datetime = MOMENT) -> None:
    """Stores the heartbeat of a worker."""
    with writing(engine) as session:
        store.beat(session, "worker", seen_at)


def run_of(engine: Engine, run_id: str) -> Run:
    with reading(engine) as session:
        return store.find_run(session, run_id)


def run_count(engine: Engine) -> int:
    with reading(engine) as session:
        return len(store.list_runs(session, 10))


def events(engine: Engine, run_id: str) -> list[tuple[str, dict[str, object]]]:
    with reading(engine) as session:
        return [(event.kind, json.loads(event.content)) for event in store.events_after(session, run_id, 0)]


def is_fitting(engine: Engine, run_id: str) -> bool:
    progress = run_of(engine, run_id).progress
    return progress is not None and progress.step is Step.FIT and progress.done > 0


def wait_for_end(engine: Engine, run_id: str) -> Run:
    until(lambda: run_of(engine, run_id).state.is_end, "the run ends")
    return run_of(engine, run_id)


@contextmanager
def working(settings: Settings, peers: Peers) -> Iterator[Worker]:
    """A worker that has really ended afterwards, however slow the machine: the next test needs DBOS for itself."""
    worker = Worker(settings, peers)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop(DEADLINE_SECONDS)
