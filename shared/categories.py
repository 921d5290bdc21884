"""The words for what a message is, what it is about, and what is done with it.

Used by every room. The order of `Category` is the order of the columns in the model and in the release card.
"""

from enum import StrEnum
from typing import Final


class Category(StrEnum):
    """What a message is."""

    PERSONAL = "personal"  # one person writes to another
    TRANSACTIONAL = "transactional"  # codes, bank, courier, hospital, government: notices that one expects
    PROMOTION = "promotion"  # ordinary marketing of a business that one may know
    PORN = "porn"  # solicitation, pornography
    FRAUD = "fraud"  # a lie that is after money, codes or data
    GAMBLING = "gambling"  # betting and games for money outside the law
    ILLEGAL = "illegal"  # forged papers and invoices, loan sharks, trade in personal data


HARASSMENT: Final = (Category.PORN, Category.FRAUD, Category.GAMBLING, Category.ILLEGAL)
LEGITIMATE: Final = (Category.PERSONAL, Category.TRANSACTIONAL)

TOPICS: Final = (
    "code", "bank", "courier", "hospital", "antenatal", "vaccination", "insurance", "school", "government",
    "police_warning", "court", "utility", "operator", "travel", "ride", "meal", "property", "work",
)  # fmt: skip
"""What a legitimate message may be about. A report may carry one; the model never sees it."""

PROTECTED_TOPICS: Final = ("code", "bank", "hospital", "antenatal", "police_warning")
"""Topics whose loss hurts most: the release gate holds each to a limit of its own."""


class Action(StrEnum):
    """What the phone does with a message. Nothing is ever deleted."""

    ALLOW = "allow"  # shown like any message
    PROMOTION = "promotion"  # shown in the folder for promotions, without a sound
    WARN = "warn"  # shown, with a warning and advice
    BLOCK = "block"  # kept in the folder for blocked messages, without a sound


class Strictness(StrEnum):
    """How much risk of hiding a legitimate message a person accepts for catching more harassment."""

    GENTLE = "gentle"
    NORMAL = "normal"
    STRICT = "strict"
