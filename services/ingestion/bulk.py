"""Imports of any size: a stream of lines in, committed in batches, every refused line reported, memory flat."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Any, Final

import structlog
from pydantic import ValidationError
from sqlalchemy import Engine

from services.ingestion import store
from services.ingestion.campaigns import shapes
from services.ingestion.documents import BulkLine
from services.ingestion.intake import BulkSource, Occurrences, accept_line
from services.ingestion.lines import READ_BYTES, LineError, Record
from services.ingestion.metrics import Counts
from services.ingestion.reports import IngestionError, NewReport
from shared.database import DATABASE_ERRORS, as_problem, kind_of, writing
from shared.problems import Problem
from shared.web import ClientLeftError, client_left, describe_faults, list_faults

BATCH: Final = 2000
"""How many lines are committed together; while they are, about half a second, no other writer gets its turn."""
KNOWN_COLUMNS: Final = BulkLine.columns()
MOST_UNKNOWN_COLUMNS: Final = 20
LONGEST_COLUMN: Final = 40
COLUMN: Final = re.compile(r"(?!.*\d{5})[^\W\d][\w .-]*")
"""What a name looks like: it begins with a letter and holds no number that could be somebody's."""
NO_NAME: Final = "(no name)"
SEND_AGAIN: Final = "Send the same file again; what was accepted is not taken twice."

log = structlog.get_logger()


@dataclass
class Tally:
    """What became of the lines so far.

    Attributes:
        read: lines that are not blank.
        accepted: lines that are stored now.
        refused: lines that were no reports.
        duplicates: lines that were known already.
        without_category: lines among those accepted or known that say not what the message is.
        unknown_columns: names of columns or members that were left out, such as a misspelt one.
    """

    read: int = 0
    accepted: int = 0
    refused: int = 0
    duplicates: int = 0
    without_category: int = 0
    unknown_columns: list[str] = field(default_factory=list)

    def note(self, line: BulkLine, names: Iterable[str]) -> None:
        """Counts what a line that is a report leaves out, and what it holds in vain.

        A line that is none tells no names: where somebody took texts for names, these are messages.
        """
        self.without_category += line.category is None
        for name in names:
            if name not in KNOWN_COLUMNS and len(self.unknown_columns) < MOST_UNKNOWN_COLUMNS:
                shown = name[:LONGEST_COLUMN] if COLUMN.fullmatch(name) else NO_NAME
                if shown not in self.unknown_columns:
                    self.unknown_columns.append(shown)


def import_records(
    records: Iterable[Record],
    source: BulkSource,
    engine: Engine,
    clock: Callable[[], datetime],
    *,
    by: str,
    counts: Counts,
) -> Iterator[dict[str, Any]]:
    """Stores the records in batches and says what became of them.

    Yields `{"line", "problem"}` for every refused line, `{"read", "accepted"}` after every batch and
    `{"done": true, ...}` with the tally at the end. A failure in the first batch is raised; a later one ends the answer
    with `{"done": false, "problem", ...}`: what was accepted stays, and a repeat of the same file skips it.

    Args:
        records: what `read_jsonl` or `read_csv` gives.
        source: where they come from.
        engine: the database.
        clock: gives the present time, in UTC.
        by: who stands for the labels.
        counts: told what becomes of the lines.

    Raises:
        ClientLeftError: if the client left within the first batch.
    """
    tally = Tally()
    is_first = True
    with writing(engine) as session:
        store.register_source(session, source.name, source.kind, source.weight)
    occurrences = Occurrences()
    batch: list[NewReport] = []
    refusals: list[dict[str, Any]] = []
    try:
        for record in records:
            tally.read += 1
            try:
                batch.append(_accepted(record, source, occurrences, clock(), tally))
            except LineError as error:
                tally.refused += 1
                counts.refuse_line()
                refusals.append({"line": record.line, "problem": _problem(error)})
            if len(batch) + len(refusals) >= BATCH:
                _commit(batch, engine, clock(), tally, by=by, counts=counts)
                yield from refusals
                yield {"read": tally.read, "accepted": tally.accepted}
                batch, refusals, is_first = [], [], False
        _commit(batch, engine, clock(), tally, by=by, counts=counts)
    except ClientLeftError:
        if is_first:
            raise
        log.info("client_left", read=tally.read, accepted=tally.accepted)
        yield _end_early(client_left(SEND_AGAIN), tally)
        return
    except DATABASE_ERRORS as error:
        if is_first:
            raise
        log.error("import_broken", kind=kind_of(error))  # noqa: TRY400 - a traceback may hold a message
        yield _end_early(as_problem(error), tally)
        return
    yield from refusals
    yield {"done": True, **vars(tally)}


def _accepted(record: Record, source: BulkSource, occurrences: Occurrences, now: datetime, tally: Tally) -> NewReport:
    """Gives the report of a record.

    Raises:
        LineError: if it is refused.
    """
    if isinstance(record.content, LineError):
        raise record.content
    try:
        line = BulkLine.model_validate(record.content)
        report = accept_line(line, source, occurrences, now)
    except IngestionError as error:
        raise LineError(str(error)) from None
    except ValidationError as error:
        raise LineError(describe_faults(list_faults(error))) from None
    tally.note(line, record.content)
    return report


def _commit(batch: list[NewReport], engine: Engine, now: datetime, tally: Tally, *, by: str, counts: Counts) -> None:
    if not batch:
        return
    batch_shapes = shapes([report.text for report in batch])
    with writing(engine) as session:
        added = store.add_reports(session, batch, batch_shapes, now=now, by=by)
    tally.accepted += added
    tally.duplicates += len(batch) - added
    counts.accept_batch(batch, added, len(batch) - added)


def _problem(error: LineError) -> dict[str, Any]:
    return Problem("line-refused", "The line is refused", 422, str(error)).document()


def _end_early(problem: Problem, tally: Tally) -> dict[str, Any]:
    return {"done": False, "problem": problem.document(), **vars(tally)}


def stream_answer(events: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Writes events as NDJSON, none of it before the body is read to its end.

    Many clients read no answer before they have sent everything, and nginx hands no more of a body on once the answer
    has begun; then both sides would wait for each other for ever. So the answer waits in a temporary file.
    """
    with SpooledTemporaryFile(max_size=1 << 20) as answer:
        for event in events:
            answer.write(json.dumps(event, ensure_ascii=False).encode() + b"\n")
        answer.seek(0)
        yield from iter(lambda: answer.read(READ_BYTES), b"")
