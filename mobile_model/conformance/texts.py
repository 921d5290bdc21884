"""The texts that a phone must read alike: ordinary, disguised, strange, and arbitrary ones."""

import json
import random
from collections.abc import Iterator
from typing import Final

from mobile_model.conformance.messages import MESSAGES

SOLICITATION: Final = "老婆怀孕不方便？本地小妹可上门，安全隐私，加薇 lan7702 看照片"
BENIGN: Final = (
    "您好，近日气温回升，愿您和家人平安喜乐、万事顺意，本店感谢一路支持。明天见，我到楼下等你，记得带伞。"
    "晚饭做了汤，孩子在写作业，周末一起去公园走走，早点休息，路上慢点开车，到家给我回个话，爱你们。"
) * 3  # fmt: skip

_DISGUISED: Final = (
    "老*婆.怀-孕★不·方便？同/城小*妹 可上*门 加V：xq8810",
    "加\u200b微\u200d信\ufe0f看\u00ad照\u2060片",
    "𝕝𝕒𝕟𝟟𝟟𝟘𝟚 Ⓛⓐⓝ ｌａｎ７７０２ ₗₐₙ",
    "加薇❤️信👉🏻ｍｅｉ⑤⑤②①",
    "寂寞嗎？同城小姐姐上門服務，加微信",
    "Нοt gіrlѕ іn уоur аrеа",
    "b e t 7 7 . e x a m p l e",
    "代 开 增 值 税 票",
    "l̶a̶n̶7̶7̶0̶2̶ caf\u00e9 cafe\u0301 ÀÉÎÕÜ",
)
_STRANGE: Final = (
    "",
    "a",
    "好",
    " ",
    "0",
    ".",
    "\x00",
    "加\x00微\x00信",
    "\ud800",
    "\udc00",
    "\udfff\ud800",
    "加\ud83d微\ude00信",
    "😀",
    "👨\u200d👩\u200d👧 🇨🇳 1\ufe0f\u20e3",
    "𠮷野家",
    "\U0001fffe\U0001ffff\U00020000\U0010ffff",
    "\ufffe\uffff\ufdd0\ue000\uf8ff",
    "\U000e0041\U000e0100加微信",
    "مرحبا بالعالم، كيف حالك؟",
    "שָׁלוֹם עוֹלָם",
    "\u202e信微加\u202c",
    "नमस्ते दुनिया ๑๒๓ สวัสดี",
    "\u1112\u1161\u11ab한국어",
    "".join(map(chr, range(0x20))),
    "".join(map(chr, range(0x7F, 0xA1))),
    "\ufeff\u2028\u2029\u3000\u180e\u115f\u3164",
    "\r\n加\n微\t信\x0b\x0c",
    "ßſŒœÆæĲĳǅﬁﬃ㎏㏂",
    "\u0301\u0302\u0303",
    "⟦code:6⟧ 您的验证码",
    "\"\\/<>&'",
)
_LETTERS: Final = (
    "我们明天去公园散步然后回家吃饭看电影睡觉起床上班下班接孩子写作业洗衣服做家务打电话聊天休息喝茶读书听歌跑步"
)
_AROUND_THE_WINDOW: Final = (1, 2, 3, 37, 38, 39, 40, 41, 42, 48, 49, 50, 51, 59)
"""How many letters: a message of 39 is the shortest with a window, every 10 more may add one."""

_LONG: Final = (
    BENIGN[:200] + SOLICITATION,
    BENIGN[:40] + SOLICITATION + BENIGN[:160],
    SOLICITATION + BENIGN[:200],
    "您的验证码是 604817，5分钟内有效，请勿告诉任何人。" + BENIGN[:150],
    SOLICITATION * 3,
    "·" * 500,
    " " * 500,
    "😀" * 120,
    "我" * 90,
    BENIGN[:20] + "-" * 300 + SOLICITATION,
    (BENIGN * 27)[:4960] + SOLICITATION,
    (BENIGN + "😀\ud800\x00 ")[:250] * 20,
)
_MANY_CODEPOINTS: Final = 1000

_ARBITRARY_TEXTS: Final = 60
_RANGES: Final = (
    (0x00, 0x20), (0x20, 0x7F), (0x7F, 0x250), (0x370, 0x530), (0x590, 0x700), (0x900, 0xE80), (0x1100, 0x1200),
    (0x2000, 0x2070), (0x2100, 0x2C00), (0x3000, 0x3400), (0x4E00, 0xA000), (0x4E00, 0xA000), (0xAC00, 0xD7A4),
    (0xD800, 0xE000), (0xE000, 0xF900), (0xF900, 0x10000), (0x10000, 0x11000), (0x1D400, 0x1D800), (0x1F300, 0x1FB00),
    (0x1FF00, 0x20100), (0x20000, 0x110000),
)  # fmt: skip

UTF16: Final[tuple[list[int], ...]] = (
    [],
    [0x61],
    [0],
    [0x5FAE, 0x4FE1],
    [0xD83D, 0xDE00],
    [0xD842, 0xDFB7, 0x91CE],
    [0xD800, 0xDC00],
    [0xDBFF, 0xDFFF],
    [0xD800],
    [0xDFFF],
    [0xDC00, 0xD800],
    [0xD83D, 0x61, 0xDE00],
    [0xD83D, 0xD83D, 0xDE00],
    [0xD83D, 0xDE00, 0xDE00],
    [0x65, 0x301, 0xFE0F, 0x200D],
    [0xFEFF, 0xFFFE, 0xFFFF],
)
"""Strings as Java, Kotlin, JavaScript and Swift hold them."""


def all_texts() -> list[str]:
    """Gives every text, in the order of the files."""
    around = [_LETTERS[:letters] for letters in _AROUND_THE_WINDOW]
    spread = [", ".join(_LETTERS[:letters]) + "。" for letters in (38, 39, 50)]
    trained = [text for texts in MESSAGES.values() for text in texts[:2]]
    return [*_STRANGE, *_DISGUISED, *trained, *around, *spread, *_LONG, *_arbitrary()]


def texts_to_fold() -> list[str]:
    """Gives the texts without the longest, whose folding says nothing new."""
    return [text for text in all_texts() if len(text) < _MANY_CODEPOINTS]


def _arbitrary() -> Iterator[str]:
    """Gives texts of any code points. JSON joins a high surrogate with a low one after it, so the texts do too."""
    draw = random.Random(20260101)  # noqa: S311 - they must be the same every time
    for _ in range(_ARBITRARY_TEXTS):
        length = draw.randrange(1, 140)
        text = "".join(chr(draw.randrange(*_RANGES[draw.randrange(len(_RANGES))])) for _ in range(length))
        yield json.loads(json.dumps(text))
