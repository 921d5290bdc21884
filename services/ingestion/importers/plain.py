"""Plain JSONL and CSV, with the members or columns that `POST /v1/reports:import` knows."""

import json
from collections.abc import Iterator
from pathlib import Path

from services.ingestion.importers.files import ImportFileError, utf8_lines
from services.ingestion.lines import LineError, read_csv


def read_jsonl_file(path: Path) -> Iterator[bytes]:
    """Gives the lines as they are, in UTF-8; ingestion checks each.

    Raises:
        ImportFileError: if the file cannot be read, or is binary.
    """
    return utf8_lines(path)


class _Stream:
    """Lines as a stream that can be read."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines

    def read(self, _size: int, /) -> bytes:
        """Gives one line, however long, or nothing at the end."""
        return next(self._lines, b"")


def read_csv_file(path: Path) -> Iterator[bytes]:
    """Gives each row as a line of JSON.

    Empty lines keep the count of lines that of the file, so that what ingestion says of line 17 is true of the file.

    Raises:
        ImportFileError: if the file cannot be read, is binary, names no column of text, or has a row that is no CSV.
    """
    given = 0
    try:
        for record in read_csv(_Stream(utf8_lines(path))):
            if isinstance(record.content, LineError):
                raise ImportFileError(f"{path.name}, line {record.line}: {record.content}")
            yield b"\n" * (record.line - 1 - given)
            given = record.line
            yield json.dumps(record.content, ensure_ascii=False).encode() + b"\n"
    except LineError as error:
        raise ImportFileError(f"{path.name}: {error}") from error
