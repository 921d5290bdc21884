"""Folding: one symbol in, at most one symbol out, the same on every platform.

`TABLE_FILE` maps each code point up to U+1FFFF to a symbol of the Basic Multilingual Plane, or to 0, which is dropped.
It is data, built by `python -m shared.folding.build` and pinned by `DIGEST`, so that no platform's own normalisation
is asked. The symbols of `MARKS` are punctuation and classes (each smiling face is ☺); all others are letters or digits.
"""

import gzip
import hashlib
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

TABLE_FILE: Final = "table.u16le.gz"
TABLE_LENGTH: Final = 0x20000
DIGEST: Final = "sha256:ffc1ca418f734d6bc91d1ac26961483b35f8a6b8ec70fde12f903ef7d84d6b0e"
"""Of the unpacked table."""

FACE: Final = "☺"
LOVE: Final = "♥"
HAND: Final = "☞"
PERSON: Final = "♀"
MONEY: Final = "¤"
STAR: Final = "★"
PHONE: Final = "☎"
ARROW: Final = "→"
TICK: Final = "✓"
CROSS: Final = "×"
SHAPE: Final = "■"
SYMBOL: Final = "❖"
"""Any other emoji or symbol."""
BEYOND: Final = "〓"
"""Private use, letters outside the Basic Multilingual Plane, and every code point after the table."""

CLASSES: Final = FACE + LOVE + HAND + PERSON + MONEY + STAR + PHONE + ARROW + TICK + CROSS + SHAPE + SYMBOL + BEYOND
PUNCTUATION: Final = '!"#$%&()*+,-./:;<=>?@[]^_{|}~¥·'
MARKS: Final = PUNCTUATION + CLASSES
"""Every symbol that the folded text holds and its skeleton does not."""


class FoldingTableError(Exception):
    """The table in the installation is not the one that this code was released with."""


@cache
def _guarded_table() -> NDArray[np.uint16]:
    raw = gzip.decompress(files(__package__).joinpath(TABLE_FILE).read_bytes())
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    if digest != DIGEST:
        raise FoldingTableError(f"{TABLE_FILE} is {digest}, not {DIGEST}: install Quietline again")
    guarded = np.append(np.frombuffer(raw, dtype="<u2").astype(np.uint16), np.uint16(ord(BEYOND)))
    guarded.flags.writeable = False
    return guarded


def table() -> NDArray[np.uint16]:
    """Gives the symbol of each code point below `TABLE_LENGTH`, uint16[0x20000], read-only.

    Raises:
        FoldingTableError: if the file is not the pinned one.
    """
    return _guarded_table()[:TABLE_LENGTH]


@cache
def is_letter() -> NDArray[np.bool_]:
    """Tells of each symbol whether the skeleton keeps it, bool[0x10000], read-only. Symbol 0 is no letter."""
    mask = np.ones(0x10000, dtype=np.bool_)
    mask[[0, *map(ord, MARKS)]] = False
    mask.flags.writeable = False
    return mask


def codepoints(text: str) -> NDArray[np.int32]:
    """Gives the code points of a text, int32[len(text)]; a lone surrogate is a code point like any other."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<i4").astype(np.int32, copy=False)


def fold_codepoints(points: NDArray[np.int32]) -> NDArray[np.uint16]:
    """Gives the symbol of each code point, of the same length, zeros included.

    What lies after the table, up to any int32, is `BEYOND`; what lies below it, a negative number, is 0.
    """
    return np.take(_guarded_table(), points, mode="clip")


def _text(symbols: NDArray[np.uint16]) -> str:
    return symbols.astype("<u2", copy=False).tobytes().decode("utf-16-le")


def fold(text: str) -> str:
    """Gives the text as the model reads it. Folding twice is folding once."""
    symbols = fold_codepoints(codepoints(text))
    return _text(symbols[symbols != 0])


def skeleton(text: str) -> str:
    """Gives only the letters and digits of the folded text, so that what was put between them is gone."""
    symbols = fold_codepoints(codepoints(text))
    return _text(symbols[is_letter()[symbols]])
