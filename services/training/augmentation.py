"""Disguised copies of messages, as people write them who want to get past a filter.

Legitimate and marketing messages are disguised as well, so that a disguise by itself speaks for nothing. Every copy
depends only on the recipe's seed, the report id and the number of the copy: any machine makes the same ones.

Families in `UNSEEN` are never trained on. The evaluation reports them beside the others, so that one sees how the
model does on a trick that it was not taught. `disguises.toml` holds the tables.
"""

import hashlib
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from operator import add
from random import Random
from typing import Any, Final

Disguise = Callable[[str, Random], str]

_MARKS: Final = tuple("*.-_~·/|+=^#。，、；：…！")
_RADICALS: Final = tuple("亠冖彡丷")
"""Chinese characters that nobody reads: they stay in the skeleton."""
_SPACES: Final = (" ", "\u3000", "  ")
_ZERO_WIDTH: Final = ("\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad")
_EMOJI: Final = tuple("😊🌹👉✨📱🍀👌⭐🎉💎🍑🎈🧧🌙☕")
_BRACKETS: Final = ("【】", "（）", "「」", "[]", "<>", "《》", "{}")
_FULL_WIDTH: Final = {point: point + 0xFEE0 for point in range(0x21, 0x7F)}

_SHARES_INSERTED: Final = (0.15, 0.4, 1.0)
"""Behind which share of the characters a sign is put: now and then, often, always."""
_SHARE_ONE_SIGN: Final = 0.5
"""Copies that use one and the same sign throughout."""
_SHARE_BRACKETED: Final = 0.3
_SHARE_SWAPPED: Final = 0.7

_SHARE_CROPPED: Final = 0.2
_SHARE_RESPELLED: Final = 0.75
_SHARE_FRAMED: Final = 0.25
_SHARE_BEHIND: Final = 0.7
"""Joined copies in which the benign text comes first."""
_SHORTEST_CROP: Final = 12

_LINK: Final = re.compile(
    r"(?:https?://)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,6}(?![A-Za-z0-9])(?:/[A-Za-z0-9./?=&_-]*)?"
)
_CLAUSE_END: Final = re.compile(r"[，。！？；,.!?;\s]|$")
_LINK_CUES: Final = ("", "", " ", "点击", "登录", "详见", "戳", "Visit ", "See ")
_LINK_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_LINK_HEADS: Final = ("http://", "https://", "www.", "m.", "")
_LINK_ENDS: Final = (".com", ".cn", ".com.cn", ".net", ".cc", ".top", ".co.uk")
_SHORT_LINK_HOSTS: Final = ("t.cn", "dwz.cn", "url.cn", "bit.ly")
_SHARE_SHORT_LINKS: Final = 0.4


@cache
def _tables() -> dict[str, Any]:
    return tomllib.loads(_tables_file().decode("utf8"))


def _tables_file() -> bytes:
    return files(__package__).joinpath("disguises.toml").read_bytes()


@cache
def tables_digest() -> str:
    """Names the tables by their content: another table makes another model."""
    return f"sha256:{hashlib.sha256(_tables_file()).hexdigest()}"


def _insert(signs: Sequence[str]) -> Disguise:
    def disguise(text: str, random: Random) -> str:
        share = random.choice(_SHARES_INSERTED)
        chosen = [random.choice(signs)] if random.random() < _SHARE_ONE_SIGN else signs
        inserted = random.choices((*chosen, ""), [share / len(chosen)] * len(chosen) + [1.0 - share], k=len(text))
        return "".join(map(add, text, inserted))

    return disguise


def _replace(*tables: str) -> Disguise:
    def disguise(text: str, random: Random) -> str:
        forms: dict[str, str | Sequence[str]] = {}
        for table in tables:
            forms |= _tables()[table]
        spelled_out = tables[0] in {"pinyin", "parts"}

        def write(character: str) -> str:
            other = forms.get(character.lower())
            if other is None or random.random() >= _SHARE_SWAPPED:
                return character
            return str(other) if spelled_out else random.choice(other)

        return "".join(map(write, text))

    return disguise


def _break_lines(text: str, random: Random) -> str:
    width = random.randint(2, 9)
    return "\n".join(text[start : start + width] for start in range(0, len(text), width))


def _bracket(text: str, random: Random) -> str:
    opening, closing = random.choice(_BRACKETS)
    return "".join(
        f"{opening}{character}{closing}" if character.isalnum() and random.random() < _SHARE_BRACKETED else character
        for character in text
    )


def _widen(text: str, _random: Random) -> str:
    return text.translate(_FULL_WIDTH)


def _open_politely(text: str, random: Random) -> str:
    opening: str = random.choice(_tables()["openings"])
    return opening + text


def _end_politely(text: str, random: Random) -> str:
    ending: str = random.choice(_tables()["endings"])
    return text + ending


_SPELLINGS: Final[Mapping[str, Disguise]] = {
    "symbols": _insert(_MARKS),
    "radicals": _insert(_RADICALS),
    "spaces": _insert(_SPACES),
    "zero_width": _insert(_ZERO_WIDTH),
    "emoji": _insert(_EMOJI),
    "line_breaks": _break_lines,
    "brackets": _bracket,
    "full_width": _widen,
    "look_alikes": _replace("swaps", "leet"),
}

TRAINED: Final[Mapping[str, Disguise]] = {
    **_SPELLINGS,
    "polite_opening": _open_politely,
    "polite_ending": _end_politely,
}
"""Families of disguise that the model is taught."""

UNSEEN: Final[Mapping[str, Disguise]] = {"pinyin": _replace("pinyin"), "split_characters": _replace("parts")}
"""Families that only the evaluation uses."""

DISGUISES: Final[Mapping[str, Disguise]] = {**TRAINED, **UNSEEN}


def polite_phrases() -> tuple[str, ...]:
    """Gives what polite openings and endings are made of: benign text that is no message."""
    return (*_tables()["openings"], *_tables()["endings"])


def seeded(seed: int, *names: object) -> Random:
    """Gives a source of random choices that depends on nothing but its arguments."""
    return Random(":".join(map(str, (seed, *names))))  # noqa: S311 - choices must be repeatable, not secret


def disguised_copy(text: str, random: Random) -> str:
    """Gives one copy as the model is taught: respelled, framed, cropped, or several of these.

    Args:
        text: the message.
        random: where choices come from.
    """
    copy = text
    if random.random() < _SHARE_CROPPED and len(copy) > 2 * _SHORTEST_CROP:
        copy = _crop(copy, random)
    if random.random() < _SHARE_RESPELLED:
        copy = random.choice(tuple(_SPELLINGS.values()))(copy, random)
    if random.random() < _SHARE_FRAMED:
        copy = _open_politely(copy, random)
    if random.random() < _SHARE_FRAMED:
        copy = _end_politely(copy, random)
    return copy


def joined_copy(text: str, benign: str, random: Random) -> str:
    """Gives the message behind or before a benign one, as one text."""
    glue = random.choice(("", "\n", "。", " ", "；"))
    return benign + glue + text if random.random() < _SHARE_BEHIND else text + glue + benign


def linked_copy(text: str, random: Random) -> str:
    """Gives the message with other links in place of its own, or with a link put into it if it has none.

    What the letters of a link are, and that there is one, must speak for nothing: codes, shops and swindlers all send
    them.
    """
    if _LINK.search(text):
        return _LINK.sub(lambda _found: _invent_link(random), text)
    place = random.choice(list(_CLAUSE_END.finditer(text))).end()
    return f"{text[:place]}{random.choice(_LINK_CUES)}{_invent_link(random)}{random.choice(('', ' '))}{text[place:]}"


def _invent_link(random: Random) -> str:
    path = "".join(random.choices(_LINK_LETTERS + _LINK_LETTERS.upper() + "0" * 12, k=random.randint(4, 8)))
    if random.random() < _SHARE_SHORT_LINKS:
        return f"{random.choice(('', 'http://'))}{random.choice(_SHORT_LINK_HOSTS)}/{path}"
    host = "".join(random.choices(_LINK_LETTERS, k=random.randint(2, 9)))
    return f"{random.choice(_LINK_HEADS)}{host}{random.choice(_LINK_ENDS)}{random.choice(('', '/' + path))}"


def _crop(text: str, random: Random) -> str:
    """Keeps the larger part of a text, from its beginning or to its end."""
    kept = max(_SHORTEST_CROP, int(len(text) * random.uniform(0.6, 0.95)))
    return random.choice((text[:kept], text[-kept:]))
