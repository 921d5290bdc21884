"""Cuts a stream of any length into records: lines of JSON, or rows of CSV; memory stays flat, nothing is swallowed."""

import csv
import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from shared.categories import Category
from shared.web import Readable

READ_BYTES: Final = 1 << 16
MAX_LINE_BYTES: Final = 1 << 16


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

    A field may hold line breaks inside quotes, which open at the start of a cell only (RFC 4180). Where a quote is
    never closed, or only behind lines that are labelled rows by themselves, the line that opens it is refused and
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
        row = _whole_row(line, waiting, lines, names)
        if row is None:
            yield Record(number, LineError("A quote is opened and never closed."))
        elif row.strip():
            yield Record(number, _cells(names, row))


def _next_line(lines: Iterator[tuple[int, str | LineError]]) -> list[tuple[int, str | LineError]]:
    line = next(lines, None)
    return [] if line is None else [line]


def _whole_row(
    line: str,
    waiting: deque[tuple[int, str | LineError]],
    lines: Iterator[tuple[int, str | LineError]],
    names: list[str],
) -> str | None:
    """Adds following lines until all quotes are closed and takes them off `waiting`; None if they never are."""
    row, used = line, 0
    is_open = _leaves_a_quote_open(line, is_open=False)
    while is_open:
        if used == len(waiting):
            waiting.extend(_next_line(lines))
        if used == len(waiting):
            return None
        following = waiting[used][1]
        if isinstance(following, LineError) or len(row) + len(following) > MAX_LINE_BYTES:
            return None
        if _is_labelled_row(names, following):
            return None
        row = f"{row}\n{following}"
        is_open = _leaves_a_quote_open(following, is_open=True)
        used += 1
    if used and isinstance(_cells(names, row), LineError):
        return None
    for _ in range(used):
        waiting.popleft()
    return row


def _leaves_a_quote_open(line: str, *, is_open: bool) -> bool:
    """Tells whether a quoted cell goes on behind the line; a quote inside a plain cell opens nothing."""
    if '"' not in line:
        return is_open
    at_start = not is_open
    was_closed = False
    for character in line:
        if is_open:
            is_open, was_closed = character != '"', character == '"'
        elif character == '"' and (at_start or was_closed):
            is_open, was_closed, at_start = True, False, False
        else:
            at_start, was_closed = character == ",", False
    return is_open


def _is_labelled_row(names: list[str], line: str) -> bool:
    """Tells whether a line is a row by itself: without quotes, and with a category where the header says so."""
    if '"' in line:
        return False
    cells = _cells(names, line)
    if isinstance(cells, LineError):
        return False
    return any(cells.get(name) in set(Category) for name in ("category", "label"))


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
