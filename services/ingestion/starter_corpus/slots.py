"""Invented names and numbers for the slots of the starter corpus, in the script of the message.

Nothing here reaches anybody: mobile numbers have prefixes that no carrier was given, local numbers begin with 1, which
no subscriber's does, names and brands are made up. Banks, couriers and other institutions are real, since messages that
pretend to come from them are what the model must learn. Links stay masked: one that looks real would be somebody's, and
one that does not would teach the model the word "example".
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Final

from shared.redaction.drawing import Draw

SLOT: Final = re.compile(r"\{([a-z0-9]+)\}")

DIGITS: Final = "0123456789"
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
MOBILE_PREFIXES: Final = ("160", "161", "163", "164", "168", "169", "154")
REAL_HOTLINES: Final = (
    "95588", "95533", "95599", "95566", "95555", "95528", "95568", "95595", "95511", "95519",
    "95518", "95598", "10086", "10010", "10000", "12306", "12345", "12333", "95338", "11183",
)  # fmt: skip

PLATE_PROVINCES: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"


@cache
def _words() -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Gives the words of each language: names, towns, institutions, invented brands."""
    words: dict[str, dict[str, list[str]]] = json.loads(files(__package__).joinpath("words.json").read_text("utf8"))
    return words


@cache
def slot_names(language: str) -> frozenset[str]:
    """Names the slots that messages of a language may have."""
    return frozenset({*_words()[language], *MAKERS} - {"given"})


def fill_slots(message: str, seed: str, language: str) -> str:
    """Gives the message with every `{slot}` filled; the seed alone decides with what.

    Raises:
        KeyError: if a slot is not one of those that README.md lists.
    """
    draw = Draw(seed)
    return SLOT.sub(lambda found: _value(found[1], draw, language), message)


def _value(slot: str, draw: Draw, language: str) -> str:
    words = _words()[language]
    if slot in words:
        return draw.one(words[slot])
    return MAKERS[slot](draw, language)


def _name(draw: Draw, language: str) -> str:
    words = _words()[language]
    surname, given = draw.one(words["surname"]), draw.one(words["given"])
    if language == "en":
        return given if draw.below(3) else f"{given} {surname}"
    return surname + given


def _mobile(draw: Draw, language: str) -> str:
    if language == "en":
        return draw.one(("07700900", "07700 900", "+44 7700 900")) + draw.text(DIGITS, 3)
    if language == "zh-Hant":
        return "0900-000-" + draw.text(DIGITS, 3) if draw.below(2) else "0900000" + draw.text(DIGITS, 3)
    number = draw.one(MOBILE_PREFIXES) + draw.text(DIGITS, 8)
    return f"{number[:3]}-{number[3:7]}-{number[7:]}" if draw.below(8) == 0 else number


def _landline(draw: Draw, language: str) -> str:
    if language == "en":
        return "020 7946 0" + draw.text(DIGITS, 3)
    if language == "zh-Hant":
        return "02-1" + draw.text(DIGITS, 3) + "-" + draw.text(DIGITS, 4)
    area = draw.one(("010", "021", "020", "0571", "0755", "025", "028", "0311", "0531", "0731", "0351", "0451"))
    return area + draw.one(("-", "-", "")) + "1" + draw.text(DIGITS, 7 if len(area) == 3 else 6)  # noqa: PLR2004 - numbers have 8 digits where area codes have 3


def _hotline(draw: Draw, language: str) -> str:
    if language == "en":
        return "0800 000 " + draw.text(DIGITS, 4)
    if language == "zh-Hant":
        return "0800-000-" + draw.text(DIGITS, 3)
    return draw.one(REAL_HOTLINES) if draw.below(2) else "4003" + draw.text(DIGITS, 6)


def _amount(draw: Draw, _language: str) -> str:
    whole = draw.one((10, 100, 1000, 10_000, 100_000))
    number = 1 + draw.below(whole) + whole // 10
    style = draw.below(4)
    if style == 0:
        return f"{number}.{draw.text(DIGITS, 2)}"
    if style == 1:
        return f"{number:,}"
    return str(number)


def _code(draw: Draw, _language: str) -> str:
    return draw.text(DIGITS, draw.one((4, 6, 6, 6, 6, 8)))


def _date(draw: Draw, language: str) -> str:
    month, day = 1 + draw.below(12), 1 + draw.below(28)
    if language == "en":
        name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month - 1]
        return draw.one((f"{day} {name}", f"{name} {day}", f"{day}/{month}", f"{day:02}/{month:02}"))
    return draw.one(
        (f"{month}月{day}日", f"{month}月{day}日", f"{month:02}月{day:02}日", f"{month}.{day}", f"{month}/{day}")
    )


def _time(draw: Draw, language: str) -> str:
    hour, minute = 7 + draw.below(15), 5 * draw.below(12)
    if language == "en":
        return draw.one((f"{hour}:{minute:02}", f"{(hour - 1) % 12 + 1}{'am' if hour < 12 else 'pm'}"))  # noqa: PLR2004 - noon
    return draw.one((f"{hour}:{minute:02}", f"{hour:02}:{minute:02}", f"{hour}点", f"{hour}点{minute:02}分"))


def _year(draw: Draw, _language: str) -> str:
    return str(2013 + draw.below(14))


def _wechat(draw: Draw, _language: str) -> str:
    head = draw.text(LETTERS, 2 + draw.below(4))
    return head + draw.one(("", "_", "")) + draw.text(DIGITS, 4 + draw.below(4))


def _qq(draw: Draw, _language: str) -> str:
    return "5" + draw.text(DIGITS, 8 + draw.below(3))


def _link(draw: Draw, _language: str) -> str:
    return f"⟦link:{10 + draw.below(22)}⟧"


def _tracking(draw: Draw, _language: str) -> str:
    return draw.one(("SF", "YT", "JT", "JD", "", "7", "43")) + draw.text(DIGITS, 12 + draw.below(2))


def _pickup(draw: Draw, _language: str) -> str:
    if draw.below(2):
        return f"{1 + draw.below(20)}-{1 + draw.below(6)}-{draw.text(DIGITS, 4)}"
    return draw.text(DIGITS, draw.one((4, 6, 8)))


def _plate(draw: Draw, language: str) -> str:
    if language == "zh-Hans":
        return draw.one(PLATE_PROVINCES) + draw.one("ABCDEFGH") + draw.text(DIGITS + "ABCDEFGHJK", 4) + draw.one(DIGITS)
    return draw.text("ABCDEFGHJK", 3) + draw.one(("-", " ")) + draw.text(DIGITS, 4)


def _flight(draw: Draw, _language: str) -> str:
    return draw.one(("CA", "MU", "CZ", "HU", "3U", "MF", "ZH", "BR", "CI", "BA", "SQ")) + draw.text("123456789", 4)


def _train(draw: Draw, _language: str) -> str:
    return draw.one("GGGDDCKZT") + draw.text("123456789", 1 + draw.below(4))


def _order(draw: Draw, _language: str) -> str:
    return draw.text("123456789", 1) + draw.text(DIGITS, 7 + draw.below(11))


MAKERS: Final[Mapping[str, Callable[[Draw, str], str]]] = {
    "name": _name,
    "phone": _mobile,
    "landline": _landline,
    "hotline": _hotline,
    "code": _code,
    "amount": _amount,
    "count": lambda draw, _language: str(2 + draw.below(59)),
    "percent": lambda draw, _language: str(draw.one((5, 8, 10, 15, 20, 30, 50, 70, 80, 90))),
    "card4": lambda draw, _language: draw.text(DIGITS, 4),
    "id4": lambda draw, _language: draw.text(DIGITS, 4),
    "date": _date,
    "time": _time,
    "year": _year,
    "wechat": _wechat,
    "qq": _qq,
    "link": _link,
    "tracking": _tracking,
    "pickup": _pickup,
    "plate": _plate,
    "flight": _flight,
    "train": _train,
    "order": _order,
}
"""How to make what no list of words holds."""

SERVICES_IN_TEN: Final = {"personal": 0, "transactional": 9, "promotion": 7, "fraud": 5}
"""How many of ten messages of a category come from a service number or a name; of other categories, two."""


def invent_sender(category: str, seed: str, language: str) -> str:
    """Gives a sender that is plausible for the category: people write from numbers, services from short codes."""
    draw = Draw(f"sender of {seed}")
    if draw.below(10) < SERVICES_IN_TEN.get(category, 2):
        return _service(draw, language)
    number = re.sub("[^0-9+]", "", _mobile(draw, language))
    return f"+886{number[1:]}" if language == "zh-Hant" else number


def _service(draw: Draw, language: str) -> str:
    if language == "en":
        return draw.one(_words()["en"][draw.one(("bank", "courier", "app"))]) if draw.below(2) else draw.text("6789", 5)
    return f"106{draw.text(DIGITS, 8 + draw.below(6))}" if draw.below(3) else draw.one(REAL_HOTLINES)
