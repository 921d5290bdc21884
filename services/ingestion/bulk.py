"""Imports of any size: a stream of lines in, committed in batches, every refused line reported, memory flat."""

import csv
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Any, Final, Protocol

import structlog
from pydantic import ValidationError
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from services.ingestion import store
from services.ingestion.campaigns import shapes
from services.ingestion.documents import BulkLine
from services.ingestion.intake import BulkSource, accept_line
from services.ingestion.reports import IngestionError, NewReport
from shared.database import as_problem, is_storage_full, storage_full, writing
from shared.problems import Problem

READ_BYTES: Final = 1 << 16
MAX_LINE_BYTES: Final = 1 << 16
BATCH: Final = 2000
"""How many lines are committed together; while they are, about half a second, no other writer gets its turn."""
EARLY_BYTES: Final = 1 << 16
"""So much of the answer is sent while the body is still being read.

Many clients read no answer before they have sent everything. If we sent more than the sockets hold, both sides would
wait for each other for ever; so the rest waits in a temporary file until the body has ended.
"""

log = structlog.get_logger()


class Readable(Protocol):
    """A request's body."""

    def read(self, size: int, /) -> bytes:
        """Gives up to so many bytes, none at the end."""


class LineError(Exception):
    """Why a line is refused, without what it holds."""


@dataclass(frozen=True)
class Record:
    """One line of the body, or of a CSV file the lines of one row; `content` is an object or the reason of refusal."""

    line: int
    content: dict[str, Any] | LineError


def _lines(stream: Readable) -> Iterator[bytes | None]:
    """Cuts the stream into lines without their ends; None stands for a line over `MAX_LINE_BYTES`."""
    rest = b""
    too_long = False
    while block := stream.read(READ_BYTES):
        *whole, rest_of_block = block.split(b"\n")
        for part in whole:
            line, rest = rest + part, b""
            yield None if too_long or len(line) > MAX_LINE_BYTES else line.removesuffix(b"\r")
            too_long = False
        rest += rest_of_block
        if len(rest) > MAX_LINE_BYTES:
            rest, too_long = b"", True
    if rest or too_long:
        yield None if too_long else rest.removesuffix(b"\r")


def _decoded(stream: Readable) -> Iterator[tuple[int, str | LineError]]:
    """Gives the lines with their numbers from 1, without a byte-order mark."""
    for number, line in enumerate(_lines(stream), 1):
        if line is None:
            yield number, LineError(f"The line is longer than {MAX_LINE_BYTES} bytes.")
            continue
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            yield number, LineError("The line is not UTF-8.")
            continue
        yield number, text


def read_jsonl(stream: Readable) -> Iterator[Record]:
    """Gives one record for every line that is not blank."""
    for number, line in _decoded(stream):
        if isinstance(line, LineError):
            yield Record(number, line)
        elif line.strip():
            yield Record(number, _parsed(line))


def _parsed(line: str) -> dict[str, Any] | LineError:
    try:
        content = json.loads(line)
    except RecursionError:
        return LineError("The JSON is nested too deep.")
    except ValueError:
        return LineError("The line is no JSON.")
    return content if isinstance(content, dict) else LineError("The line is no JSON object.")


def read_csv(stream: Readable) -> Iterator[Record]:
    """Gives one record for every row under the header.

    A field may hold line breaks inside quotes. Where a quote is never closed, the line that opens it is refused and
    reading goes on with the next line, so that nothing after it is swallowed.

    Raises:
        LineError: if the first line names no column `text` or `body`.
    """
    lines = _decoded(stream)
    header = next(lines, (1, LineError("The file is empty; its first line must name the columns.")))[1]
    if isinstance(header, LineError):
        raise header
    names = [name.strip().lower() for name in _split(header)]
    if not {"text", "body"} & set(names):
        raise LineError("The first line must name the columns, one of them text or body.")
    waiting: deque[tuple[int, str | LineError]] = deque()
    while True:
        if not waiting:
            waiting.extend(_next_line(lines))
            if not waiting:
                return
        number, line = waiting.popleft()
        if isinstance(line, LineError):
            yield Record(number, line)
            continue
        row = _whole_row(line, waiting, lines)
        if row is None:
            yield Record(number, LineError("A quote is opened and never closed."))
        elif row.strip():
            yield Record(number, _cells(names, row))


def _next_line(lines: Iterator[tuple[int, str | LineError]]) -> list[tuple[int, str | LineError]]:
    line = next(lines, None)
    return [] if line is None else [line]


def _whole_row(
    line: str, waiting: deque[tuple[int, str | LineError]], lines: Iterator[tuple[int, str | LineError]]
) -> str | None:
    """Adds following lines until all quotes are closed and takes them off `waiting`; None if they never are."""
    row, used = line, 0
    quotes = line.count('"')
    while quotes % 2:
        if used == len(waiting):
            waiting.extend(_next_line(lines))
        if used == len(waiting):
            return None
        following = waiting[used][1]
        if isinstance(following, LineError) or len(row) + len(following) > MAX_LINE_BYTES:
            return None
        row = f"{row}\n{following}"
        quotes += following.count('"')
        used += 1
    for _ in range(used):
        waiting.popleft()
    return row


def _split(row: str) -> list[str]:
    try:
        return next(csv.reader([row], strict=True), [])
    except csv.Error:
        raise LineError("The line is no CSV.") from None


def _cells(names: list[str], row: str) -> dict[str, Any] | LineError:
    try:
        cells = _split(row)
    except LineError as error:
        return error
    if len(cells) > len(names):
        return LineError("The line has more cells than the first line has names.")
    return {name: cell for name, cell in zip(names, cells, strict=False) if cell}


READERS: Final[dict[str, Callable[[Readable], Iterator[Record]]]] = {"jsonl": read_jsonl, "csv": read_csv}


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
    batch: list[NewReport] = []
    refusals: list[dict[str, Any]] = []
    try:
        for record in records:
            tally.read += 1
            try:
                batch.append(_accepted(record, source, clock()))
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
        if tally.accepted + tally.duplicates == 0:
            raise
        log.error("import_broken", kind=type(error).__name__)  # noqa: TRY400 - a traceback may hold a message
        yield {"done": False, "problem": _failure(error).document(), **vars(tally)}
        return
    yield from refusals
    yield {"done": True, **vars(tally)}


def _accepted(record: Record, source: BulkSource, now: datetime) -> NewReport:
    """Gives the report of a record.

    Raises:
        LineError: if it is refused.
    """
    if isinstance(record.content, LineError):
        raise record.content
    try:
        return accept_line(BulkLine.model_validate(record.content), source, now)
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
    return Problem("import-broken", "The import broke off", 503, "Send the same file again.")


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
