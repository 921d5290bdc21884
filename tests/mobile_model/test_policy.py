import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mobile_model
from mobile_model import policy
from mobile_model.policy import Reason, decide
from shared.categories import HARASSMENT, Action, Category, Strictness
from shared.release_card import ReleaseCard

SEVERITY = [Action.ALLOW, Action.WARN, Action.BLOCK]
CATEGORIES = list(Category)

probabilities = (
    st.lists(st.floats(0.001, 1.0), min_size=7, max_size=7).map(np.array).map(lambda p: (p / p.sum()).tolist())
)
preferences = st.dictionaries(st.sampled_from(Category), st.sampled_from(Action))


def peak(category: Category, height: float = 0.94) -> list[float]:
    return [height if c is category else (1 - height) / 6 for c in Category]


def harassment(category: Category, probability: float) -> list[float]:
    """Spreads the rest, so that the category is the likeliest; the harassment is exactly the number meant."""
    rest = (1 - probability) / 3
    return [probability if c is category else 0.0 if c in HARASSMENT else rest for c in Category]


@pytest.mark.parametrize(("category", "strictness"), list(itertools.product(HARASSMENT, Strictness)))
def test_a_threshold_is_reached_exactly(card: ReleaseCard, category: Category, strictness: Strictness) -> None:
    threshold = card.thresholds[strictness][category]
    for limit, below, at in (
        (threshold.warn, (Action.ALLOW, Reason.BELOW_WARN), (Action.WARN, Reason.WARN)),
        (threshold.block, (Action.WARN, Reason.WARN), (Action.BLOCK, Reason.BLOCK)),
    ):
        reached = decide(harassment(category, limit), card, strictness)
        missed = decide(harassment(category, float(np.nextafter(limit, 0.0))), card, strictness)
        assert (reached.action, reached.reason) == at
        assert (missed.action, missed.reason) == below


def test_all_harassment_counts_together_at_the_threshold_of_the_likeliest(card: ReleaseCard) -> None:
    spread = [0.05, 0.0, 0.0, 0.25, 0.35, 0.2, 0.15]
    assert decide(spread, card).category is Category.FRAUD
    assert decide(spread, card).action is Action.BLOCK
    assert decide(peak(Category.PERSONAL, 0.3), card).action is Action.ALLOW


@pytest.mark.parametrize("category", [Category.PERSONAL, Category.TRANSACTIONAL])
@pytest.mark.parametrize("strictness", Strictness)
def test_no_choice_hides_a_personal_message_or_a_notice(
    card: ReleaseCard, category: Category, strictness: Strictness
) -> None:
    for action in Action:
        decision = decide(peak(category), card, strictness, {category: action})
        assert (decision.action, decision.reason) == (Action.ALLOW, Reason.LEGITIMATE)


def test_promotions_are_blocked_only_by_choice(card: ReleaseCard) -> None:
    for strictness in Strictness:
        assert decide(peak(Category.PROMOTION), card, strictness).action is Action.PROMOTION
    for chosen in (Action.ALLOW, Action.PROMOTION, Action.BLOCK):
        assert decide(peak(Category.PROMOTION), card, preferences={Category.PROMOTION: chosen}).action is chosen
    assert decide(peak(Category.PROMOTION), card, preferences={Category.PROMOTION: Action.WARN}).action is (
        Action.PROMOTION
    )


def test_the_first_of_equal_categories_counts(card: ReleaseCard) -> None:
    assert decide([0.5, 0.0, 0.0, 0.5, 0.0, 0.0, 0.0], card).category is Category.PERSONAL
    assert decide([0.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0], card).category is Category.PORN


@given(probabilities, st.sampled_from(Strictness), preferences)
def test_contacts_and_the_allow_list_are_always_allowed(
    card: ReleaseCard, scores: list[float], strictness: Strictness, chosen: dict[Category, Action]
) -> None:
    contact = decide(
        scores, card, strictness, chosen, sender="138 0000 1111", contacts=["+8613800001111"], allowed=["13800001111"]
    )
    allowed = decide(scores, card, strictness, chosen, sender="Bank.cn", contacts=["1"], allowed=["BANKCN"])
    assert (contact.action, contact.reason) == (Action.ALLOW, Reason.CONTACT)
    assert (allowed.action, allowed.reason) == (Action.ALLOW, Reason.ALLOWED)


@given(probabilities, st.sampled_from(Strictness), preferences)
def test_a_choice_makes_harassment_only_milder(
    card: ReleaseCard, scores: list[float], strictness: Strictness, chosen: dict[Category, Action]
) -> None:
    plain, wanted = decide(scores, card, strictness), decide(scores, card, strictness, chosen)
    assert wanted.category is plain.category
    assert policy.is_possible(wanted.category, wanted.action)
    if plain.category in HARASSMENT:
        assert SEVERITY.index(wanted.action) <= SEVERITY.index(plain.action)
    assert (wanted.reason is Reason.PREFERENCE) == (wanted.action is not plain.action)


@given(probabilities)
def test_a_stricter_setting_never_lets_more_through(card: ReleaseCard, scores: list[float]) -> None:
    actions = [decide(scores, card, strictness).action for strictness in Strictness]
    if actions[0] in SEVERITY:
        assert [SEVERITY.index(a) for a in actions] == sorted(SEVERITY.index(a) for a in actions)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("+86 138-0000-1111", "13800001111", True),
        ("0086 (138) 0000.1111", "138\u00a00000\u20111111", True),
        ("95588", "9 5588", True),
        ("Bank.CN", "bankcn", True),
        ("\u202a+86 138 0000 1111\u202c", "\u200e13800001111", True),
        ("13800001111", "13800001112", False),
        ("+8610 5555 6666", "10 5555 6666", False),
        ("+852 13800001111", "13800001111", False),
        ("8613800001111", "13800001111", False),
        ("955880", "95588", False),
    ],
)
def test_senders_are_compared_in_one_spelling(one: str, other: str, *, same: bool) -> None:
    assert (policy.normal_sender(one) == policy.normal_sender(other)) == same


def test_a_message_of_unknown_sender_meets_no_contact(card: ReleaseCard) -> None:
    for sender in (None, "", " - "):
        decision = decide(peak(Category.PORN), card, sender=sender, contacts=["13800001111", "", "()"], allowed=[""])
        assert decision.action is Action.BLOCK


def test_only_a_message_that_is_blocked_is_junk() -> None:
    for category, action in itertools.product(Category, Action):
        mapped = policy.platform_actions(category, action)
        assert (mapped.ios_action == "junk") == (action is Action.BLOCK)


def test_the_specification_holds_the_table_of_platforms() -> None:
    specification = Path(mobile_model.__file__).with_name("SPEC.md").read_text("utf-8")
    rows = re.findall(r"^\| ([a-z, ]+) \| (\w+) \| (\w+) \| (\w+) \| (.+) \|$", specification, re.MULTILINE)
    written = {(c, row[1]): row[2:] for row in rows for c in row[0].split(", ")}
    possible = {(c, a) for c in Category for a in Action if policy.is_possible(c, a)}
    assert set(written) == possible
    for category, action in possible:
        mapped = policy.platform_actions(category, action)
        assert written[category, action] == (mapped.ios_action, mapped.ios_sub_action, mapped.android)


def test_the_rules_of_the_specification_are_numbered_once_and_in_order() -> None:
    specification = Path(mobile_model.__file__).with_name("SPEC.md").read_text("utf-8")
    rules = re.findall(r"^- \*\*([A-Z])(\d+)\*\*", specification, re.MULTILINE)
    for letter, numbers in itertools.groupby(rules, key=lambda rule: rule[0]):
        found = [int(number) for _, number in numbers]
        assert found == list(range(1, len(found) + 1)), letter
    assert all(f"`{reason}`" in specification for reason in Reason)
