"""Imports of any size: a stream of lines in, committed in batches, every refused line reported, memory flat."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Any, Final

import structlog
from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from services.ingestion import store
from services.ingestion.campaigns import shapes
from services.ingestion.documents import BulkLine
from services.ingestion.intake import BulkSource, Occurrences, accept_line
from services.ingestion.lines import READ_BYTES, BrokenBodyError, LineError, Record
from services.ingestion.reports import IngestionError, NewReport
from shared.database import as_problem, is_storage_full, storage_full, writing
from shared.problems import Problem

BATCH: Final = 2000
"""How many lines are committed together; while they are, about half a second, no other writer gets its turn."""
EARLY_BYTES: Final = 1 << 16
"""So much of the answer is sent while the body is still being read.

Many clients read no answer before they have sent everything. If we sent more than the sockets hold, both sides would
wait for each other for ever; so the rest waits in a temporary file until the body has ended.
"""

log = structlog.get_logger()


@dataclass
class Tally:
    """What became of the lines so far."""

    read: int = 0
    accepted: int = 0
    refused: int = 0
    duplicates: int = 0


def import_records(
    records: Iterable[Record], source: BulkSource, engine: Engine, clock: Callable[[], datetime], by: str
) -> Iterator[dict[str, Any]]:
    """Stores the records in batches and says what became of them.

    Yields `{"line", "problem"}` for every refused line, `{"read", "accepted"}` after every batch and
    `{"done": true, ...}` at the end. A failure before the first batch is stored is raised; a later one ends the answer
    with `{"done": false, "problem", ...}`: what was accepted stays, and a repeat of the same file skips it.

    Args:
        records: what `read_jsonl` or `read_csv` gives.
        source: where they come from.
        engine: the database.
        clock: gives the present time, in UTC.
        by: who stands for the labels.
    """
    tally = Tally()
    with writing(engine) as session:
        store.register_source(session, source.name, source.kind, source.weight)
    occurrences = Occurrences()
    batch: list[NewReport] = []
    refusals: list[dict[str, Any]] = []
    try:
        for record in records:
            tally.read += 1
            try:
                batch.append(_accepted(record, source, occurrences, clock()))
            except LineError as error:
                tally.refused += 1
                refusals.append({"line": record.line, "problem": _problem(error)})
            if len(batch) + len(refusals) >= BATCH:
                _commit(batch, engine, clock(), by, tally)
                yield from refusals
                yield {"read": tally.read, "accepted": tally.accepted}
                batch, refusals = [], []
        _commit(batch, engine, clock(), by, tally)
    except (DBAPIError, OSError) as error:
        if tally.accepted + tally.duplicates == 0 and not isinstance(error, BrokenBodyError):
            raise
        log.error("import_broken", kind=type(error).__name__)  # noqa: TRY400 - a traceback may hold a message
        yield {"done": False, "problem": _failure(error).document(), **vars(tally)}
        return
    yield from refusals
    yield {"done": True, **vars(tally)}


def _accepted(record: Record, source: BulkSource, occurrences: Occurrences, now: datetime) -> NewReport:
    """Gives the report of a record.

    Raises:
        LineError: if it is refused.
    """
    if isinstance(record.content, LineError):
        raise record.content
    try:
        return accept_line(BulkLine.model_validate(record.content), source, occurrences, now)
    except IngestionError as error:
        raise LineError(str(error)) from None
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise LineError(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None


def _commit(batch: list[NewReport], engine: Engine, now: datetime, by: str, tally: Tally) -> None:
    if not batch:
        return
    batch_shapes = shapes([report.text for report in batch])
    with writing(engine) as session:
        added = store.add_reports(session, batch, batch_shapes, now=now, by=by)
    tally.accepted += added
    tally.duplicates += len(batch) - added


def _problem(error: LineError) -> dict[str, Any]:
    return Problem("line-refused", "The line is refused", 422, str(error)).document()


def _failure(error: DBAPIError | OSError) -> Problem:
    if isinstance(error, DBAPIError):
        return as_problem(error)
    if is_storage_full(error):
        return storage_full()
    detail = "Send the same file again; what was accepted is not taken twice."
    return Problem("import-broken", "The import broke off", 400 if isinstance(error, BrokenBodyError) else 503, detail)


def stream_answer(events: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Writes events as NDJSON, little of it before the body is read to its end; see `EARLY_BYTES`."""
    sent = 0
    with SpooledTemporaryFile(max_size=1 << 20) as rest:
        for event in events:
            line = json.dumps(event, ensure_ascii=False).encode() + b"\n"
            if "done" in event:
                rest.seek(0)
                yield from iter(lambda: rest.read(READ_BYTES), b"")
                yield line
            elif sent + len(line) <= EARLY_BYTES:
                sent += len(line)
                yield line
            elif "line" in event:
                sent = EARLY_BYTES
                rest.write(line)
