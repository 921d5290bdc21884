"""What training shows to Prometheus besides its requests.

All of it is read from the database: workers have no page of their own, and are as many as the operator likes.
"""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Engine

from services.training import store
from services.training.runs import State
from shared.database import reading
from shared.web import Labels, Metrics, Spent


def show_states(metrics: Metrics, engine: Engine, now: Callable[[], datetime]) -> None:
    """Shows runs, steps and workers as the database knows them."""

    def runs() -> dict[Labels, float]:
        with reading(engine) as session:
            counts = store.count_runs(session)
        return {(state.value,): counts.get(state, 0) for state in State}

    def queue_seconds() -> float:
        with reading(engine) as session:
            oldest = store.oldest_queued_at(session)
        return 0.0 if oldest is None else (now() - oldest).total_seconds()

    def step_seconds() -> dict[Labels, Spent]:
        with reading(engine) as session:
            return {(step,): Spent(*spent) for step, spent in store.step_times(session).items()}

    def beat_age_seconds() -> float | None:
        newest = newest_beat(engine)
        return None if newest is None else (now() - newest).total_seconds()

    metrics.state("runs", "Runs by state; those that are queued are the queue's length", runs, "state")
    metrics.state("queue_age_seconds", "Time since the run was asked for that waits longest", queue_seconds)
    metrics.spent("run_step_seconds", "Time that steps of runs took", "step", step_seconds)
    metrics.state("worker_heartbeat_age_seconds", "Time since a worker last showed that it lives", beat_age_seconds)


def newest_beat(engine: Engine) -> datetime | None:
    """Gives when a worker last showed that it lives; None if none has a lease."""
    with reading(engine) as session:
        return max(store.last_beats(session), default=None)
