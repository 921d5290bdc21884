"""From probabilities to an action: a pure rule, the same on every phone (SPEC.md, chapter Policy)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.categories import HARASSMENT, Action, Category, Strictness
from shared.release_card import ReleaseCard


class Reason(StrEnum):
    """Why an action was chosen."""

    CONTACT = "contact"  # the sender is in the address book
    ALLOWED = "allowed"  # the person put the sender on the allow-list
    LEGITIMATE = "legitimate"  # personal or transactional
    PROMOTION = "promotion"  # ordinary marketing
    BELOW_WARN = "below_warn"  # harassment is the likeliest category, but not likely enough to say so
    WARN = "warn"  # at or above the threshold of warning
    BLOCK = "block"  # at or above the threshold of blocking
    PREFERENCE = "preference"  # the person wants another action for this category
    NO_RELEASE = "no_release"  # there is no release to score with, so everything is allowed


@dataclass(frozen=True)
class Decision:
    """What a message is, what to do with it, and why."""

    category: Category
    action: Action
    reason: Reason


@dataclass(frozen=True)
class PlatformActions:
    """What one category and action is on the two platforms.

    `ios_action` and `ios_sub_action` are cases of Apple's `ILMessageFilterAction` and `ILMessageFilterSubAction`;
    `android` says what a default SMS app does with the message.
    """

    ios_action: str
    ios_sub_action: str
    android: str


NO_PREFERENCES: Final[Mapping[Category, Action]] = {}
PREFERENCES: Final[Mapping[Category, tuple[Action, ...]]] = {
    Category.PROMOTION: (Action.ALLOW, Action.PROMOTION, Action.BLOCK),
    **dict.fromkeys(HARASSMENT, (Action.ALLOW, Action.WARN, Action.BLOCK)),
}
"""The actions that a person may choose for a category. Legitimate categories are always allowed."""

_SEVERITY: Final = (Action.ALLOW, Action.WARN, Action.BLOCK)
_SEPARATORS: Final = str.maketrans(
    "", "", " -.()\t\u00a0\u2011\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
"""What people and address books put between digits; directions come with numbers that were copied."""
_CHINESE_MOBILE_LENGTH: Final = len("+8613800000000")

_ANDROID: Final = {
    Action.ALLOW: "inbox, notification with sound",
    Action.PROMOTION: "folder Promotions, stored as read = 0, no notification",
    Action.WARN: "inbox, notification without the text, warning and advice above the message, links not tappable",
    Action.BLOCK: "folder Blocked, stored as read = 0, no notification, kept until the person deletes it",
}


def decide(
    probabilities: Sequence[float],
    card: ReleaseCard,
    strictness: Strictness = Strictness.NORMAL,
    preferences: Mapping[Category, Action] = NO_PREFERENCES,
    *,
    sender: str | None = None,
    contacts: Collection[str] = (),
    allowed: Collection[str] = (),
) -> Decision:
    """Decides on one message.

    The category is the most probable one, the first if two are equal. Harassment is blocked or warned of by the sum of
    the harassment probabilities, at the thresholds of its category. Contacts and the allow-list come before all.

    Args:
        probabilities: one for each of `card.categories`.
        card: the release that they come from.
        strictness: which thresholds to use.
        preferences: the most that the person wants done with a category; for promotion, what to do with it.
        sender: who sent it, if known; one that is empty without its separators is nobody's.
        contacts: senders in the address book.
        allowed: senders on the allow-list.
    """
    category = card.categories[max(range(len(probabilities)), key=probabilities.__getitem__)]
    name = normal_sender(sender or "")
    if name:
        for known, reason in ((contacts, Reason.CONTACT), (allowed, Reason.ALLOWED)):
            if any(normal_sender(one) == name for one in known):
                return Decision(category, Action.ALLOW, reason)
    action, reason = _by_model(category, probabilities, card, strictness)
    wanted = _wanted(category, action, preferences)
    return Decision(category, wanted, reason if wanted == action else Reason.PREFERENCE)


def normal_sender(sender: str) -> str:
    """Gives one spelling of a sender: no separators, + for 00, Chinese mobile numbers without +86, lower case."""
    plain = sender.translate(_SEPARATORS).lower()
    if plain.startswith("00"):
        plain = f"+{plain[2:]}"
    if plain.startswith("+861") and len(plain) == _CHINESE_MOBILE_LENGTH:
        return plain[3:]
    return plain


def is_possible(category: Category, action: Action) -> bool:
    """Tells whether the rule, with some preference, can answer a category with an action."""
    return action in PREFERENCES.get(category, (Action.ALLOW,))


def platform_actions(category: Category, action: Action) -> PlatformActions:
    """Maps a decision to the platforms; SPEC.md holds the same table."""
    if action is Action.BLOCK:
        return PlatformActions("junk", "none", _ANDROID[action])
    if action is Action.PROMOTION:
        return PlatformActions("promotion", "promotionalOffers", _ANDROID[action])
    if action is Action.ALLOW and category is Category.TRANSACTIONAL:
        return PlatformActions("transaction", "transactionalOthers", _ANDROID[action])
    return PlatformActions("allow", "none", _ANDROID[action])


def _by_model(
    category: Category, probabilities: Sequence[float], card: ReleaseCard, strictness: Strictness
) -> tuple[Action, Reason]:
    if category is Category.PROMOTION:
        return Action.PROMOTION, Reason.PROMOTION
    if category not in HARASSMENT:
        return Action.ALLOW, Reason.LEGITIMATE
    harassment = sum(p for c, p in zip(card.categories, probabilities, strict=True) if c in HARASSMENT)
    threshold = card.thresholds[strictness][category]
    if harassment >= threshold.block:
        return Action.BLOCK, Reason.BLOCK
    if harassment >= threshold.warn:
        return Action.WARN, Reason.WARN
    return Action.ALLOW, Reason.BELOW_WARN


def _wanted(category: Category, action: Action, preferences: Mapping[Category, Action]) -> Action:
    preference = preferences.get(category)
    if preference is None or preference not in PREFERENCES.get(category, ()):
        return action
    if category is Category.PROMOTION:
        return preference
    return min(action, preference, key=_SEVERITY.index)
