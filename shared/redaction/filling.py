"""Plausible values in the place of masks, so that a model meets what phones meet."""

import re
from collections.abc import Callable
from typing import Final

from shared.redaction.drawing import Draw
from shared.redaction.slots import SLOT

DIGITS: Final = "0123456789"
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
PROVINCES: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
SURNAMES: Final = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
GIVEN: Final = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红玲建文辉力云海婷雪宇浩欣怡子涵梓轩雨晨佳琪思远"
ENGLISH_NAME: Final = "Taylor Morgan Jordan Casey Robin Jamie Alex Sam Lee Kim Ann Joe Charlotte Benjamin Samantha Jo"
ROADS: Final = "中山人民解放建设和平新华文化胜利长江黄河东风光明"
CJK: Final = re.compile("[\u4e00-\u9fff]")
LONGEST_CODE: Final = 10
"""A longer code is a password or a key, and those hold letters."""
SHORTEST_FULL_NAME: Final = 7


def fill(masked: str, seed: str) -> str:
    """Gives the text with every slot filled by an invented value of its type and length.

    The same text and seed give the same answer everywhere. A value is drawn, not taken from anywhere.
    Slots filled before training stay in memory.

    Args:
        masked: a text as `mask` gives it.
        seed: what decides the values; the id of the report, so that copies of a text differ as real ones do.
    """
    is_chinese = CJK.search(masked) is not None
    draw = Draw(seed)

    def value(found: re.Match[str]) -> str:
        kind, length = found[1], int(found[2])
        if kind == "name":
            return _name(draw, length, is_chinese=is_chinese)
        if kind == "address":
            return _address(draw, length, is_chinese=is_chinese)
        return MAKERS[kind](draw, length)

    return SLOT.sub(value, masked)


def _digits(draw: Draw, length: int) -> str:
    return draw.text("123456789", 1) + draw.text(DIGITS, length - 1)


def _code(draw: Draw, length: int) -> str:
    return draw.text(DIGITS if length <= LONGEST_CODE else LETTERS + DIGITS, length)


def _account(draw: Draw, length: int) -> str:
    return draw.text(DIGITS, length)


def _phone(draw: Draw, length: int) -> str:
    if length == 11:  # noqa: PLR2004 - the length of a mobile number in China
        return "1" + draw.text("3456789", 1) + draw.text(DIGITS, length - 2)
    return ("0" + draw.text("123456789", 1) + draw.text(DIGITS, length))[:length]


def _id(draw: Draw, length: int) -> str:
    return _digits(draw, length - 1) + draw.text(DIGITS + "X", 1) if length > 1 else draw.text(DIGITS, 1)


def _plate(draw: Draw, length: int) -> str:
    return (draw.text(PROVINCES, 1) + draw.text("ABCDEFGH", 1) + draw.text(DIGITS + "ABCDEFGHJK", length))[:length]


def _handle(draw: Draw, length: int) -> str:
    return draw.text(LETTERS, 1) + draw.text(LETTERS + DIGITS, length - 1)


def _link(draw: Draw, length: int) -> str:
    for head, tail in (("https://", ".cn/"), ("http://", ".cn"), ("", ".cn/"), ("", ".cn")):
        room = length - len(head) - len(tail)
        if room >= 2:  # noqa: PLR2004 - a name and something after it
            name = 1 + draw.below(min(room, 10)) if tail.endswith("/") else room
            return head + draw.text(LETTERS, name) + tail + draw.text(LETTERS + DIGITS, room - name)
    return draw.text(LETTERS, length)


def _email(draw: Draw, length: int) -> str:
    host = "@163.com"
    room = length - len(host)
    return _handle(draw, room) + host if room > 0 else draw.text(LETTERS, length)


def _tracking(draw: Draw, length: int) -> str:
    return (draw.text("SYJZ", 1) + draw.text("FTD", 1) + draw.text(DIGITS, length))[:length]


def _name(draw: Draw, length: int, *, is_chinese: bool) -> str:
    if is_chinese and length <= 4:  # noqa: PLR2004 - the longest usual Chinese name
        return draw.text(SURNAMES, 1) + draw.text(GIVEN, length - 1)
    known = ENGLISH_NAME.split()
    names = [name for name in known if len(name) == length]
    if length >= SHORTEST_FULL_NAME:
        names += [f"{first} {last}" for first in known for last in known if len(f"{first} {last}") == length]
    return names[draw.below(len(names))] if names else draw.text(LETTERS, length).capitalize()


def _address(draw: Draw, length: int, *, is_chinese: bool) -> str:
    if is_chinese:
        start = 2 * draw.below(len(ROADS) // 2)
        return (ROADS[start : start + 2] + "路" + _digits(draw, max(1, length - 4)) + "号")[-length:]
    number = _digits(draw, 2)
    street = draw.text(LETTERS, max(1, length - 6)).capitalize()
    return f"{number} {street} St"[-length:]


MAKERS: Final[dict[str, Callable[[Draw, int], str]]] = {
    "code": _code,
    "id": _id,
    "card": _digits,
    "account": _account,
    "phone": _phone,
    "number": _digits,
    "plate": _plate,
    "link": _link,
    "wechat": _handle,
    "qq": _digits,
    "email": _email,
    "tracking": _tracking,
    "order": _digits,
}
"""How to make a value of each type; names and addresses also need to know the language."""
