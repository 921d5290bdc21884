"""Reads folders of JSONL, a labelled message a line, and names file and line of what cannot be read."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

Line = TypeVar("Line")


class FolderError(Exception):
    """A folder of messages cannot be used; the text says which file, which line, and why."""


def read_file(path: Path, read: Callable[[int, dict[str, Any]], Line]) -> Iterator[Line]:
    """Gives what `read` makes of each line of a file that is not blank.

    Args:
        path: a JSONL file.
        read: makes something of a line's number and its object; raises `FolderError` with what is wrong with it.

    Raises:
        FolderError: at the first line that cannot be read, or if the file cannot.
    """
    try:
        with path.open("rb") as lines:
            yield from read_lines(lines, str(path), read)
    except OSError as error:
        raise FolderError(f"cannot read {path}: {error.strerror}") from error


def read_lines(lines: Iterable[bytes], file: str, read: Callable[[int, dict[str, Any]], Line]) -> Iterator[Line]:
    """Gives the same of lines that come from anywhere; complaints of them name `file`.

    Raises:
        FolderError: at the first line that cannot be read.
    """
    for number, raw in enumerate(lines, 1):
        if raw.strip():
            try:
                line = read(number, _row(raw))
            except FolderError as error:
                raise FolderError(f"{file}, line {number}: {error}") from error
            yield line


def _row(raw: bytes) -> dict[str, Any]:
    try:
        row = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise FolderError("it is not UTF-8; save the file as UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise FolderError("it is no JSON") from error
    if not isinstance(row, dict):
        raise FolderError("it is no JSON object")
    return row
