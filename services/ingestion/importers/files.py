"""Opens text files of unknown encoding, and refuses what is no text."""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, TextIO

READ_BYTES: Final = 1 << 20


class ImportFileError(Exception):
    """A file cannot be imported; the text says why in words."""


def unreadable(path: Path, error: OSError) -> ImportFileError:
    """Gives the error of a file that the system does not let us read."""
    return ImportFileError(f"cannot read {path.name}: {error.strerror or error}")


def find_encoding(path: Path, fallback: str = "gb18030") -> str:
    """Tells how a text file is encoded.

    Every line is tried, since a file may be plain ASCII for a long way: UTF-8 if most of the lines that are not ASCII
    are UTF-8, so that a few broken lines do not turn all others into nonsense; else the fallback in the same way; else
    UTF-8 again if most lines are ASCII.

    Raises:
        ImportFileError: if the file cannot be read, or is binary.
    """
    try:
        with path.open("rb") as file:
            start = file.read(READ_BYTES)
            if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return "utf-16"
            if b"\0" in start:
                raise ImportFileError(f"{path.name} is a binary file, not text; if it is packed, unpack it first")
            file.seek(0)
            return _most_fitting(file, path.name, fallback)
    except OSError as error:
        raise unreadable(path, error) from error


def _most_fitting(file: BinaryIO, name: str, fallback: str) -> str:
    all_lines = lines = 0
    fitting = {"utf-8": 0, fallback: 0}
    for line in _pieces(file):
        all_lines += 1
        if not line.isascii():
            lines += 1
            for encoding in fitting:
                fitting[encoding] += _decodes(line, encoding)
    if 2 * fitting["utf-8"] >= lines:
        return "utf-8"
    if 2 * fitting[fallback] >= lines:
        return fallback
    if 2 * lines < all_lines:
        return "utf-8"
    raise ImportFileError(f"{name} is neither UTF-8 nor {fallback.upper()}; is it a text file?")


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    """Gives the lines with their ends, and a line without end in pieces, so that memory stays flat."""
    return iter(lambda: file.readline(READ_BYTES), b"")


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def utf8_lines(path: Path) -> Iterator[bytes]:
    """Gives the lines of a text file of any of the known encodings in UTF-8, with their ends; long ones in pieces.

    Lines of a UTF-8 file are passed on as they are, broken ones too, which ingestion then refuses one by one.

    Raises:
        ImportFileError: if the file cannot be read, or is binary.
    """
    if find_encoding(path) == "utf-8":
        with path.open("rb") as file:
            yield from _pieces(file)
        return
    with open_text(path) as text:
        yield from (line.encode("utf-8", "replace") for line in iter(lambda: text.readline(READ_BYTES), ""))


def open_text(path: Path, fallback: str = "gb18030") -> TextIO:
    """Opens a text file of any of the known encodings; what cannot be decoded becomes U+FFFD.

    Raises:
        ImportFileError: if the file cannot be read, or is binary.
    """
    encoding = find_encoding(path, fallback)
    return path.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding, errors="replace", newline="")


def line_of(**members: str | None) -> bytes:
    """Writes one line for ingestion; members that are None are left out."""
    return (
        json.dumps({key: value for key, value in members.items() if value is not None}, ensure_ascii=False).encode(
            "utf-8", "replace"
        )
        + b"\n"
    )
