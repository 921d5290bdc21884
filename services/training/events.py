"""A run's events as a stream that a client can leave and join again (server-sent events, WHATWG HTML)."""

import time
from collections.abc import Callable, Iterator
from typing import Final

import structlog
from sqlalchemy import Engine

from services.training import store
from services.training.store import Event
from shared.database import DATABASE_ERRORS, kind_of, reading

POLL_SECONDS: Final = 0.25
HEARTBEAT_SECONDS: Final = 15.0
RETRY_MILLISECONDS: Final = 1000

log = structlog.get_logger()


def stream_events(
    engine: Engine,
    run_id: str,
    after: int,
    *,
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[str]:
    """Yields events as they come, until the run has ended.

    A database that does not answer ends the stream early; whoever follows joins again behind the last event.

    Args:
        engine: database of the runs.
        run_id: a run that exists.
        after: number of the last event that the client has; 0 for none.
        pause: waits for so many seconds.
        clock: seconds that only grow.
    """
    yield f"retry: {RETRY_MILLISECONDS}\n\n"
    said_at_seconds = clock()
    while True:
        try:
            with reading(engine) as session:
                events = store.events_after(session, run_id, after)
        except DATABASE_ERRORS as error:
            log.warning("stream_ended_early", run_id=run_id, kind=kind_of(error))
            return
        for event in events:
            yield as_text(event)
            after = event.number
            said_at_seconds = clock()
            if event.kind == "end":
                return
        if not events:
            if clock() - said_at_seconds >= HEARTBEAT_SECONDS:
                yield ": still here\n\n"
                said_at_seconds = clock()
            pause(POLL_SECONDS)


def as_text(event: Event) -> str:
    """Writes one event; its content is JSON on one line."""
    return f"id: {event.number}\nevent: {event.kind}\ndata: {event.content}\n\n"
