"""FBS_SMS_Dataset: spam that fake base stations sent in China (Zhang et al., "Lies in the Air", CCS 2020).

Fourteen files named by category, such as `FR:Phishing(Bank)`; one message a line, cut into words by spaces, without
punctuation, and with words in capitals in the place of contacts, names, places and numbers.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from services.ingestion.importers.files import ImportFileError, line_of, open_text
from shared.categories import Category
from shared.redaction.drawing import Draw

NAME: Final = re.compile(r"(AD|FR|IL)[:_：](\w+.*)|Other")
CATEGORIES: Final = {"AD": Category.PROMOTION, "FR": Category.FRAUD}
ILLEGAL_CATEGORIES: Final = {
    "Escort_service": Category.PORN,
    "Fake_ID_and_invoice": Category.ILLEGAL,
    "Gambling": Category.GAMBLING,
}
"""Political propaganda and `Other` have no category here: their messages come in without a label."""

PLACES: Final = ("本市", "上海", "成都", "杭州", "武汉", "郑州", "市区", "西安", "全国", "济南")
MASKS: Final[dict[str, Callable[[Draw], str]]] = {
    "CELLPHONE": lambda _draw: "⟦phone:11⟧",
    "PHONE": lambda draw: f"⟦phone:{draw.one((7, 8, 10, 11, 12))}⟧",
    "NAME": lambda draw: f"⟦name:{draw.one((2, 2, 3))}⟧",
    "PLACE": lambda draw: draw.one(PLACES),
    "WECHAT": lambda draw: f"⟦wechat:{6 + draw.below(8)}⟧",
    "QQ": lambda draw: f"⟦qq:{draw.one((8, 9, 9, 10, 10))}⟧",
    "URL": lambda draw: f"⟦link:{10 + draw.below(18)}⟧",
    "EMAIL": lambda draw: f"⟦email:{13 + draw.below(6)}⟧",
    "BANKCARD": lambda _draw: "⟦card:19⟧",
    "DIGIT": lambda draw: draw.text("123456789", 1) + draw.text("0123456789", draw.below(4)),
}
"""What stands for each mask: a slot of a usual length, or a word or number as it could have been."""
MASK: Final = re.compile(f"(?<![A-Za-z])(?:{'|'.join(MASKS)})(?![A-Z])")
GAP: Final = re.compile(r"(?<![A-Za-z0-9])\s+|\s+(?![A-Za-z0-9])")


def is_fbs_name(name: str) -> bool:
    """Tells whether a file is named as one of the fourteen."""
    return NAME.fullmatch(name) is not None


def read_fbs(path: Path) -> Iterator[bytes]:
    """Gives the messages of one of the files, or of all in a folder.

    Raises:
        ImportFileError: if there is no such file, or it cannot be read.
    """
    files = sorted(entry for entry in path.iterdir() if is_fbs_name(entry.name)) if path.is_dir() else [path]
    if not files:
        raise ImportFileError(f"{path.name} holds no file named as those of FBS_SMS_Dataset, such as AD:Loan")
    for file in files:
        yield from _messages(file)


def _messages(path: Path) -> Iterator[bytes]:
    category = _category(path.name)
    with open_text(path) as file:
        for number, line in enumerate(file, 1):
            if words := line.strip():
                message_id = f"{path.name}/{number}"
                yield line_of(id=message_id, text=join_words(words, message_id), category=category)


def _category(name: str) -> Category | None:
    found = NAME.fullmatch(name)
    if found is None:
        raise ImportFileError(
            f"{name} is not named as a file of FBS_SMS_Dataset, such as AD:Loan; its name is its category"
        )
    if found[1] == "IL":
        return ILLEGAL_CATEGORIES.get(found[2])
    return CATEGORIES.get(found[1])


def join_words(words: str, seed: str) -> str:
    """Gives a message as it could have been: Chinese words joined, masks rendered.

    Args:
        words: a line of a file.
        seed: decides what masks become.
    """
    draw = Draw(seed)
    rendered = MASK.sub(lambda found: MASKS[found[0]](draw), words)
    return GAP.sub("", rendered)
