"""Situations in which a phone must decide, and senders as they may be written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from mobile_model.conformance.release import ILLEGAL_THRESHOLDS, THRESHOLDS
from shared.categories import HARASSMENT, LEGITIMATE, Action, Category, Strictness

_STEP: Final = 1 / 64

SENDERS: Final = (
    "13800138000",
    "+8613800138000",
    "+86 138-0013-8000",
    "0086 138 0013 8000",
    "(+86)138.0013.8000",
    "+86\u00a0138\u201100138000",
    "\u202a+86 138 0013 8000\u202c",
    "+8610655021",
    "+861065502",
    "+86 10 8888 8888",
    "+861388",
    "+8613800138000123",
    "95588",
    "10690123456789",
    "1069-0123 456",
    "+44 7700 900123",
    "00447700900123",
    "00",
    "0",
    "MyBank",
    "MYBANK",
    "my-bank",
    "Straße",
    "ÄRZTE",
    "İstanbul",
    "河湾银行",
    "",
    " - ",
)  # fmt: skip


@dataclass(frozen=True)
class PolicyCase:
    """What a policy is asked; `probabilities` has one for each category, in order."""

    probabilities: list[float]
    strictness: Strictness = Strictness.NORMAL
    preferences: Mapping[Category, Action] = field(default_factory=dict)
    sender: str | None = None
    contacts: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


def policy_cases() -> Iterator[PolicyCase]:
    """Gives every situation, in the order of the file."""
    yield from _around_thresholds()
    yield from _by_sums_and_ties()
    yield from _preferred()
    yield from _known_senders()


def _probabilities(category: Category, harassment: float) -> list[float]:
    """Gives probabilities with this sum of harassment, and this category at the top as long as the sum allows.

    A share of 1/64 of harassment goes to its other categories in equal parts; what is not harassment is spread evenly.
    """
    others = len(Category) - len(HARASSMENT)
    shares = [
        harassment * _STEP / (len(HARASSMENT) - 1) if c in HARASSMENT else (1 - harassment) / others for c in Category
    ]
    shares[list(Category).index(category)] = harassment * (1 - _STEP)
    return shares


def _exact(category: Category, harassment: float) -> list[float]:
    """Gives probabilities of binary fractions, so that their sum is exact; harassment is all in one category."""
    rest = 1 - harassment
    given = {Category.PERSONAL: rest / 2, Category.TRANSACTIONAL: rest / 4, Category.PROMOTION: rest / 4}
    return [harassment if c is category else given.get(c, 0.0) for c in Category]


def _around_thresholds() -> Iterator[PolicyCase]:
    for category, strictness in product(HARASSMENT, Strictness):
        for threshold in ILLEGAL_THRESHOLDS if category is Category.ILLEGAL else THRESHOLDS[strictness]:
            for harassment in (threshold - _STEP, threshold, min(1.0, threshold + _STEP)):
                yield PolicyCase(_exact(category, harassment), strictness)
        yield PolicyCase(_probabilities(category, 0.9), strictness)
    for category, strictness in product((*LEGITIMATE, Category.PROMOTION), Strictness):
        yield PolicyCase([0.5 if c is category else 0.5 / 6 for c in Category], strictness)


def _by_sums_and_ties() -> Iterator[PolicyCase]:
    yield PolicyCase([0.0625, 0.0625, 0.0, 0.25, 0.25, 0.25, 0.125])  # porn is first of three; 0.875 in all blocks
    yield PolicyCase([0.125, 0.0, 0.0, 0.25, 0.3125, 0.25, 0.0625])
    yield PolicyCase([0.0, 0.0, 0.34375, 0.25, 0.25, 0.125, 0.03125])  # promotion, though harassment is likelier in sum
    yield PolicyCase([0.34375, 0.0, 0.0, 0.25, 0.25, 0.125, 0.03125])
    yield PolicyCase([0.5, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0])
    yield PolicyCase([0.0, 0.0, 0.5, 0.0, 0.5, 0.0, 0.0])
    yield PolicyCase([0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5])
    yield PolicyCase([1 / 7] * 7)
    yield PolicyCase([0.0] * 7)


def _preferred() -> Iterator[PolicyCase]:
    for category, preference in product(Category, Action):
        preferences = {category: preference}
        if category in HARASSMENT:
            for harassment in (0.375, 0.8125, 1.0):
                yield PolicyCase(_exact(category, harassment), preferences=preferences)
        else:
            yield PolicyCase([0.625 if c is category else 0.0625 for c in Category], preferences=preferences)
    yield PolicyCase(_exact(Category.PORN, 1.0), preferences={Category.FRAUD: Action.ALLOW})


def _known_senders() -> Iterator[PolicyCase]:
    sure = _exact(Category.FRAUD, 1.0)
    blocked = {Category.PROMOTION: Action.BLOCK}
    yield PolicyCase(sure, sender="+86 138-0013-8000", contacts=("13800138000",))
    yield PolicyCase(sure, sender="13800138000", contacts=("5550100", "0086 138 0013 8000"))
    yield PolicyCase(sure, sender="13800138000", allowed=("+8613800138000",))
    yield PolicyCase(sure, sender="13800138000", contacts=("13800138000",), allowed=("13800138000",))
    yield PolicyCase(sure, sender="13800138000", contacts=("13800138001",))
    yield PolicyCase(sure, Strictness.STRICT, sender="MYBANK", allowed=("MyBank",))
    yield PolicyCase(sure, contacts=("13800138000",))
    yield PolicyCase(sure, sender="", contacts=("", "-"))
    yield PolicyCase([0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0], preferences=blocked, sender="95588", contacts=("95588",))
    yield PolicyCase([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], sender="95588", contacts=("95588",))
