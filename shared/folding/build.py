"""Builds the folding table: `python -m shared.folding.build` writes it and prints the digest to pin.

Needs the Unicode version named below and OpenCC; phones and servers need neither, they read the table.
"""

import gzip
import hashlib
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from shared import folding
from shared.folding import lookalikes

UNICODE_VERSION: Final = "14.0.0"

_INVISIBLE_LETTERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800\u17b4\u17b5")
_STROKES: Final = frozenset({*"丶丨丿亅乀乁乚乛灬", *map(chr, range(0x31C0, 0x31E4))})
"""Parts of Chinese characters that nobody writes alone but to break words up."""
_DROPPED: Final = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Mn", "Mc", "Me"})
_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)
_REGIONAL_LETTERS: Final = range(0x1F1E6, 0x1F200)
_EMOJI: Final = range(0x1F000, 0x1FB00)
_BOX_DRAWING: Final = range(0x2500, 0x2580)
_SHAPES: Final = range(0x2580, 0x2600)
_NONCHARACTERS: Final = frozenset([*range(0xFDD0, 0xFDF0), 0xFFFE, 0xFFFF, 0x1FFFE, 0x1FFFF])
_LAST_SYMBOL: Final = "\uffff"

_SIGNS: Final = {
    ".": "。｡․‥…﹒۔।॥",
    ",": "、､﹐﹑،",
    ";": "؛",
    ":": "︰﹕∶",
    "!": "¡❕❗❢❣",
    "?": "¿؟❓❔",
    '"': "'`´‘’‚‛“”„‟«»′″‵‶〃「」『』〝〞〟﹁﹂﹃﹄❛❜❝❞",
    "[": "【〖〔〘〚⟦",
    "]": "】〗〕〙〛⟧",
    "<": "《〈‹⟨❮❰",
    ">": "》〉›⟩❯❱",
    "-": "‐‑‒–—―−⁃─━➖",
    "~": "～〜∼〰",
    "_": "‗",
    "/": "\\∕⁄÷╱╲➗",
    "|": "¦∣│┃║",
    "+": "✚➕✙✛✜",
    "=": "═",
    "*": "∗✱✲✳✻✽❋⁎٭",
    "#": "♯",
    "%": "‰‱٪",
    "^": "ˆ⌃",
    "·": "•‧∙⋅・･‣◦",
    folding.CROSS: "✕✖✗✘❌❎⨯",
    folding.TICK: "✔✅☑",
    folding.PHONE: "☏✆",
    folding.LOVE: "♡❤❥❦❧ღ",
    folding.FACE: "☻☹",
    folding.STAR: "☆✦✧✨✩✪✫✬✭✮✯✰⭐⚡",
    folding.PERSON: "♂⚢⚣⚤",
    folding.HAND: "☚☛☜☝☟✊✋✌✍",
}
_EXPLICIT: Final = (
    {sign: target for target, signs in _SIGNS.items() for sign in signs}
    | {sign: target for target, signs in lookalikes.LETTERS.items() for sign in signs}
    | {pair[0]: pair[1] for pair in lookalikes.RADICALS.split()}
    | {mark: mark for mark in folding.MARKS}
)

_EMOJI_NAMES: Final = (
    (folding.TICK, r"CHECK MARK"),
    (folding.CROSS, r"CROSS MARK|MULTIPLICATION X"),
    (folding.ARROW, r"\bARROWS?\b|\bARROWHEAD\b|ARROW-HEAD|BLACK RIGHT-POINTING TRIANGLE|POINTER"),
    (folding.LOVE, r"\bHEARTS?\b|\bKISS|\bLIPS\b|^MOUTH$|\bROSE\b|\bCOUPLE\b|LOVE"),
    (folding.HAND, r"\bHANDS?\b|THUMBS|\bFIST|INDEX POINTING|HANDSHAKE|FINGER|BICEPS|PALMS"),
    (folding.MONEY, r"MONEY|BANKNOTE|DOLLAR|\bCOIN\b|CREDIT CARD|GEM STONE|\bATM\b|CURRENCY|RECEIPT|RED GIFT ENVELOPE"),
    (folding.PHONE, r"PHONE|TELEPHONE|ENVELOPE|E-MAIL|SPEECH BALLOON|PAGER|FAX|MAILBOX|INCOMING"),
    (folding.STAR, r"\bFIRE\b|\bSTARS?\b|SPARKL|COLLISION|HUNDRED POINTS|FIREWORK|PARTY POPPER|CONFETTI"),
    (
        folding.FACE,
        r"\b(SMIL\w+|GRINNING|\w+ING|HUGGING|\w+ED|NERD|CLOWN|COWBOY) FACE\b|^FACE |\bFACE WITH\b|\bFACES?$",
    ),
    (
        folding.PERSON,
        r"\b(WOMAN|WOMEN|MAN|MEN|GIRL|BOY|PERSON|PRINCESS|DANCER|BRIDE|BABY|FAMILY|BIKINI|LADY|PREGNANT|OLDER|MOTHER)\b",
    ),
)
_LATIN_NAME: Final = re.compile(
    r"(?:MODIFIER LETTER |NEGATIVE CIRCLED |NEGATIVE SQUARED |CROSSED NEGATIVE SQUARED )?LATIN "
    r"(?:CAPITAL LETTER|SMALL LETTER|LETTER SMALL CAPITAL|CAPITAL LETTER SMALL CAPITAL) (?:DOTLESS |SCRIPT |AFRICAN )?"
    r"(?:([A-Z])|(A)E|(O)E|(S)HARP S|(D)EZH)(?: WITH .*)?"
)
_ACCENTED_SCRIPT: Final = re.compile(r"(?:LATIN|GREEK|CYRILLIC) ")


def build_table(to_simplified: Callable[[str], str]) -> bytes:
    """Gives the table as little-endian uint16; `to_simplified` maps one traditional character to its simplified form.

    Raises:
        ValueError: if a symbol does not fold to itself, or is neither a letter, a digit nor one of `folding.MARKS`.
    """
    symbols = [_symbol(point, to_simplified) for point in range(folding.TABLE_LENGTH)]
    for symbol in set(symbols) - {0}:
        character = chr(symbol)
        if symbols[symbol] != symbol:
            raise ValueError(f"U+{symbol:04X} {character} is a symbol, but folds to U+{symbols[symbol]:04X}")
        if (unicodedata.category(character)[0] in "LN") == (character in folding.MARKS):
            raise ValueError(f"U+{symbol:04X} {character} must be either a letter or a digit, or one of MARKS")
    return b"".join(symbol.to_bytes(2, "little") for symbol in symbols)


def _symbol(point: int, to_simplified: Callable[[str], str]) -> int:
    """Follows the steps until nothing changes, so that the table is idempotent."""
    character = chr(point)
    for _ in range(10):
        after = _step(character, to_simplified)
        if after == "":
            return 0
        if after == character:
            return ord(character)
        character = after
    raise ValueError(f"U+{point:04X} has no final form")


def _step(character: str, to_simplified: Callable[[str], str]) -> str:  # noqa: PLR0911 -- one rule after the other
    """Gives what a character is folded to next: itself at the end, nothing if it is dropped."""
    if character in _EXPLICIT:
        return _EXPLICIT[character]
    category = unicodedata.category(character)
    if category in _DROPPED or character in _INVISIBLE_LETTERS | _STROKES or ord(character) in _SKIN_TONES:
        return ""
    if category in {"Co", "Cn"}:
        return _unassigned(ord(character))
    if ord(character) in _REGIONAL_LETTERS:
        return chr(ord("a") + ord(character) - _REGIONAL_LETTERS.start)
    form = unicodedata.normalize("NFKC", character)
    first = next((c for c in form if unicodedata.category(c)[0] in "LN"), form[0])
    if first != character:
        return first
    if category[0] == "N":
        return _digit(character)
    name = unicodedata.name(character, "")
    if latin := _LATIN_NAME.fullmatch(name):
        return next(letter for letter in latin.groups() if letter).lower()
    if category[0] == "L":
        return _letter(character, name, to_simplified)
    return _mark(character, name, category)


def _unassigned(point: int) -> str:
    if point in _NONCHARACTERS:
        return ""
    return folding.SYMBOL if point in _EMOJI else folding.BEYOND


def _digit(character: str) -> str:
    """Gives the ASCII digit of any decimal digit, and the first digit of a number in a circle or the like."""
    if (decimal := unicodedata.decimal(character, None)) is not None:
        return str(decimal)
    value = unicodedata.numeric(character)
    if unicodedata.category(character) == "No" and value.is_integer():
        return str(int(value))[0]
    return character if character <= _LAST_SYMBOL else folding.BEYOND


def _letter(character: str, name: str, to_simplified: Callable[[str], str]) -> str:
    if (lower := character.lower()[0]) != character:
        return lower
    if character > _LAST_SYMBOL:
        return folding.BEYOND
    if _ACCENTED_SCRIPT.match(name):
        return unicodedata.normalize("NFD", character)[0]
    simplified = to_simplified(character)
    return simplified if len(simplified) == 1 and simplified <= _LAST_SYMBOL else character


def _mark(character: str, name: str, category: str) -> str:
    """Gives the one form of its kind for a sign that is neither letter nor digit."""
    if ord(character) in _BOX_DRAWING:
        return "-"
    if (by_name := _emoji_class(name)) and category[0] == "S":
        return by_name
    if ord(character) in _SHAPES or re.search(r"\b(CIRCLE|SQUARE|DIAMOND|TRIANGLE)\b", name):
        return folding.SHAPE
    by_category = {"Pd": "-", "Ps": "(", "Pe": ")", "Pi": '"', "Pf": '"', "Pc": "_", "Po": "·", "Sc": folding.MONEY}
    return by_category.get(category, folding.SYMBOL)


def _emoji_class(name: str) -> str | None:
    return next((symbol for symbol, pattern in _EMOJI_NAMES if re.search(pattern, name)), None)


@click.command(help=__doc__)
def main() -> None:
    """Writes the table beside this file."""
    if unicodedata.unidata_version != UNICODE_VERSION:
        raise click.ClickException(
            f"this Python knows Unicode {unicodedata.unidata_version}; the table is built with {UNICODE_VERSION}"
        )
    import opencc  # noqa: PLC0415 -- a development dependency: reading the table must not need it

    raw = build_table(opencc.OpenCC("t2s").convert)
    path = Path(__file__).with_name(folding.TABLE_FILE)
    path.write_bytes(gzip.compress(raw, 9, mtime=0))
    click.echo(f"{path}: sha256:{hashlib.sha256(raw).hexdigest()}")


if __name__ == "__main__":
    main()
