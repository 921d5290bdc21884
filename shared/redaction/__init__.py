"""Masking of personal data before a text is stored, and filling of the masks before it is read to train.

`rules.json` and the folding table are the whole specification; README.md describes the reader, so that a phone in
another language masks in the same way and can show what it is about to send. A mask is a slot with its type and
length, `⟦code:6⟧`.
"""

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared.folding import codepoints, fold, fold_codepoints
from shared.redaction.filling import fill
from shared.redaction.slots import ATOM, MAX_SLOT_LENGTH, SLOT, slot

__all__ = ["fill", "mask"]

SPACES: Final = " \t\n\r\u00a0\u3000"
MAX_PASSES: Final = 16
CUE_WINDOW: Final = 32
"""How many symbols before a find are searched for a cue."""
UNSPELLED: Final = re.compile("[^0-9a-z]")
COUNTRY: Final = re.compile("^(?:00)?86(?=1[0-9]{10}$)")


@dataclass(frozen=True)
class Rule:
    """One kind of personal data: what it looks like, and when it stays readable.

    Attributes:
        slot: type of the slot that stands for it; None if it always stays and no later rule may touch it.
        pattern: finds it in the shadow; group 1, if there is one, is what is masked.
        needs: the place in `Rules.needs` of what the pattern cannot match without.
        kept_after: a cue that ends right before it, within `CUE_WINDOW` symbols, and makes it stay.
        kept_as_sender: whether it stays when it equals the sender.
    """

    slot: str | None
    pattern: re.Pattern[str]
    needs: int
    kept_after: re.Pattern[str] | None
    kept_as_sender: bool


@dataclass(frozen=True)
class Rules:
    """The rules in their order, and what they need, each once: many rules need the same."""

    needs: tuple[re.Pattern[str], ...]
    rules: tuple[Rule, ...]


@cache
def _rules() -> Rules:
    content = json.loads(files(__package__).joinpath("rules.json").read_text("utf8"))
    fragments: dict[str, str] = content["fragments"]
    needs = list(dict.fromkeys(entry["needs"] for entry in content["rules"]))

    def compiled(source: str) -> re.Pattern[str]:
        while found := re.search("<([A-Z_]+)>", source):
            source = source.replace(found[0], fragments[found[1]])
        return re.compile(source, re.ASCII)

    def rule(entry: dict[str, Any]) -> Rule:
        cue = entry.get("kept_after")
        return Rule(
            slot=entry["slot"],
            pattern=compiled(entry["pattern"]),
            needs=needs.index(entry["needs"]),
            kept_after=compiled(content["cues"][cue]) if cue else None,
            kept_as_sender=entry.get("kept_as_sender", False),
        )

    return Rules(tuple(compiled(source) for source in needs), tuple(rule(entry) for entry in content["rules"]))


@cache
def _is_space() -> NDArray[np.bool_]:
    """Tells of each code point whether it stays as a space, bool; the last entry stands for all that follow."""
    table = np.zeros(ord(SPACES[-1]) + 2, dtype=np.bool_)
    table[[ord(space) for space in SPACES]] = True
    return table


def mask(text: str, sender: str | None = None) -> str:
    """Gives the text with a typed slot in the place of each piece of personal data that the rules find.

    Numbers, WeChat and QQ handles and links stay readable after a contact cue, or when they equal the sender: they
    are what a campaign wants to be reached by. `mask(mask(text, s), s) == mask(text, s)`; the time grows linearly with
    the text.

    Args:
        text: the message, of any length, any Unicode.
        sender: who it came from, as the phone shows it.
    """
    identity = _identity(fold(sender)) if sender else ""
    for _ in range(MAX_PASSES):
        masked = _mask_once(text, identity)
        if masked == text:
            break
        text = masked
    return text


def _shadow(text: str) -> tuple[str, NDArray[np.intp]]:
    """Gives the text as the rules see it, and for each of its symbols the place in the text.

    It is the folded text, but white space stays as one space each, and every slot is one `ATOM`.
    """
    points = codepoints(text)
    symbols = fold_codepoints(points)
    symbols[_is_space()[np.minimum(points, ord(SPACES[-1]) + 1)]] = ord(" ")
    for found in SLOT.finditer(text):
        symbols[found.start() : found.end()] = 0
        symbols[found.start()] = ord(ATOM)
    places = np.flatnonzero(symbols)
    return symbols[places].astype("<u2").tobytes().decode("utf-16-le"), places


def _mask_once(text: str, sender: str) -> str:
    seen, places = _shadow(text)
    spans: list[tuple[int, int, str]] = []
    rules = _rules()
    present = [needs.search(seen) is not None for needs in rules.needs]
    for rule in rules.rules:
        if not present[rule.needs]:
            continue
        group = 1 if rule.pattern.groups else 0
        claimed = [found.span(group) for found in rule.pattern.finditer(seen)]
        for start, end in claimed:
            if rule.slot is not None and not _stays(rule, seen, start, end, sender):
                length = end - start - seen.count(" ", start, end)
                spans.append((places[start], places[end - 1] + 1, slot(rule.slot, min(length, MAX_SLOT_LENGTH))))
        if claimed:
            seen = _blanked(seen, claimed)
    return _render(text, sorted(spans))


def _stays(rule: Rule, seen: str, start: int, end: int, sender: str) -> bool:
    if rule.kept_as_sender and sender and _identity(seen[start:end]) == sender:
        return True
    return rule.kept_after is not None and rule.kept_after.search(seen[max(0, start - CUE_WINDOW) : start]) is not None


def _identity(folded: str) -> str:
    """Gives what is left of a number or handle when its spelling does not count."""
    return COUNTRY.sub("", UNSPELLED.sub("", folded))


def _blanked(seen: str, claimed: list[tuple[int, int]]) -> str:
    """Gives the shadow with `ATOM` wherever this rule found something, so that no later rule finds it again."""
    parts: list[str] = []
    position = 0
    for start, end in claimed:
        parts += [seen[position:start], ATOM * (end - start)]
        position = end
    return "".join([*parts, seen[position:]])


def _render(text: str, spans: list[tuple[int, int, str]]) -> str:
    parts: list[str] = []
    position = 0
    for start, end, replacement in spans:
        parts += [text[position:start], replacement]
        position = end
    return "".join([*parts, text[position:]])
