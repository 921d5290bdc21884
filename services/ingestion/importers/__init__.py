"""Reads files of reports, and public research corpora in their own formats, into lines for `POST /v1/reports:import`.

Nothing of a corpus is part of Quietline; whoever has one imports it, and cites it as its authors ask.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Final

from services.ingestion.importers.english import read_mishra
from services.ingestion.importers.fbs import is_fbs_name, read_fbs
from services.ingestion.importers.files import ImportFileError, open_text, unreadable
from services.ingestion.importers.nus import read_nus
from services.ingestion.importers.plain import read_csv_file, read_jsonl_file

__all__ = ["FORMATS", "ImportFileError", "read_reports", "source_name"]

FORMATS: Final[Mapping[str, Callable[[Path], Iterator[bytes]]]] = MappingProxyType(
    {
        "jsonl": read_jsonl_file,  # one JSON object a line
        "csv": read_csv_file,  # a first line that names the columns
        "fbs": read_fbs,  # spam of fake base stations (Zhang et al., CCS 2020): one of its 14 files, or their folder
        "nus": read_nus,  # NUS SMS Corpus (Chen and Kan, 2013): its XML
        "mishra": read_mishra,  # Mishra and Soni's smishing set, or UCI's SMS Spam Collection
    }
)

SUFFIXES: Final = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".xml": "nus"}
ENGLISH_HEADER: Final = re.compile(r'\s*"?(?:label"?,"?text"?,"?url|v1"?,"?v2)', re.IGNORECASE)


def source_name(path: Path) -> str:
    """Gives a source's name for a file: the same for the same file name, in any script."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", path.stem).strip("-")[:40]
    if plain == path.stem:
        return plain
    return f"{plain or 'file'}-{hashlib.sha256(path.stem.encode('utf8', 'surrogateescape')).hexdigest()[:8]}"


def read_reports(path: Path, format_name: str | None = None) -> Iterator[bytes]:
    """Gives one line of JSON for each report of a file or folder, as they are read.

    Files may be UTF-8, UTF-16 with its mark, or GB18030. The first report is read at once, so that a file that cannot
    be used is refused before anything is done with it.

    Args:
        path: a file, or for `fbs` also the folder of its files.
        format_name: one of `FORMATS`; guessed if not given.

    Raises:
        ImportFileError: at once, if the file cannot be read, is no text, does not begin as its format does or holds
            nothing; later, if it does not go on so. What was given before can be imported again: ingestion takes
            nothing twice.
    """
    try:
        name = format_name or _guess(path)
        if name not in FORMATS:
            raise ImportFileError(f"there is no format {name}; known are {', '.join(FORMATS)}")
        lines = FORMATS[name](path)
        return chain(_beginning(lines, path), lines)
    except OSError as error:
        raise unreadable(path, error) from error


def _beginning(lines: Iterator[bytes], path: Path) -> list[bytes]:
    """Takes off the lines up to the first report; blank ones count too, where lines are numbered."""
    taken: list[bytes] = []
    for line in lines:
        taken.append(line)
        if line.strip():
            return taken
    raise ImportFileError(f"{path.name} holds no reports")


def _guess(path: Path) -> str:
    if path.is_dir():
        if any(is_fbs_name(entry.name) for entry in path.iterdir()):
            return "fbs"
    elif is_fbs_name(path.name):
        return "fbs"
    elif path.name.startswith("SMSSpamCollection"):
        return "mishra"
    elif path.suffix.lower() == ".csv":
        with open_text(path, fallback="cp1252") as file:
            return "mishra" if ENGLISH_HEADER.match(file.readline()) else "csv"
    elif (name := SUFFIXES.get(path.suffix.lower())) is not None:
        return name
    raise ImportFileError(f"cannot tell the format of {path.name}; name one of {', '.join(FORMATS)} with --format")
