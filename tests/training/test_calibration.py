"""Thresholds keep what they promise, and promise nothing that they cannot keep."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom

from services.training.calibration import Calibration, CrossFittedScores, calibrate, interval, upper_bound
from services.training.recipe import Recipe, WantedRates
from shared.categories import HARASSMENT, Category, Strictness

NAMES = np.array([category.value for category in Category])


def scores(
    legitimate: np.ndarray, harassment: np.ndarray, *, judged_harassment: float = 1.0, seed: int = 1
) -> CrossFittedScores:
    """Makes scores: legitimate messages are judged fraud with the given probabilities, harassment as what it is."""
    random = np.random.default_rng(seed)
    true = random.choice([category.value for category in HARASSMENT], len(harassment))
    judged = np.where(random.random(len(legitimate)) < judged_harassment, "fraud", "personal")
    return CrossFittedScores(
        np.concatenate([np.full(len(legitimate), "transactional"), true]),
        [f"c{number}" for number in range(len(legitimate) + len(harassment))],
        np.concatenate([judged, true]),
        np.concatenate([legitimate, harassment]),
    )


def hits(found: Calibration, sample: CrossFittedScores, strictness: Strictness, action: str) -> int:
    """Counts the legitimate messages that the phone's rule would act on."""
    count = 0
    for category, judged, value in zip(sample.categories, sample.judged, sample.harassment, strict=True):
        if category in {"personal", "transactional"} and judged in {c.value for c in HARASSMENT}:
            count += value >= getattr(found.thresholds[strictness][Category(judged)], action)
    return count


@given(st.integers(0, 400), st.integers(1, 400), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_bound_is_the_exact_one(successes: int, trials: int, confidence: float) -> None:
    successes = min(successes, trials)
    upper = upper_bound(successes, trials, confidence)
    expected = 1.0 if successes == trials else beta.ppf(confidence, successes + 1, trials - successes)
    assert upper == pytest.approx(expected, rel=1e-9)
    assert upper == 1.0 or binom.cdf(successes, trials, upper) == pytest.approx(1 - confidence, rel=1e-6)


def test_nothing_tried_is_nothing_known() -> None:
    assert upper_bound(0, 0, 0.95) == 1.0
    assert interval(0, 0) == (0.0, 1.0)


def test_much_harmless_chat_does_not_pay_for_notices() -> None:
    notices = scores(np.linspace(0.0, 0.99, 2_000), np.linspace(0.5, 1.0, 500))
    chat = scores(np.zeros(50_000), np.zeros(0), judged_harassment=0.0)
    sample = CrossFittedScores(
        np.concatenate([notices.categories, np.full(50_000, "personal")]),
        [*notices.campaigns, *(f"chat {number}" for number in range(50_000))],
        np.concatenate([notices.judged, chat.judged]),
        np.concatenate([notices.harassment, chat.harassment]),
    )
    recipe = Recipe(wanted=WantedRates(gentle=0.01, normal=0.02, strict=0.05))
    found = calibrate(sample, recipe)
    assert found.thresholds == calibrate(notices, recipe).thresholds
    assert found.bounds[Strictness.NORMAL]["warn"].campaigns == 2_000


@pytest.mark.parametrize(("hit", "of"), [(0, 10), (3, 10), (10, 10), (1, 1000)])
def test_an_interval_holds_its_rate(hit: int, of: int) -> None:
    low, high = interval(hit, of)
    assert low <= hit / of <= high


@settings(max_examples=40)
@given(st.integers(1, 2000), st.integers(0, 300), st.integers(0, 1000))
def test_the_published_counts_are_those_of_the_phone(legitimate: int, harassment: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    sample = scores(random.beta(1, 4, legitimate), random.beta(6, 1, harassment), judged_harassment=0.3, seed=seed)
    found = calibrate(sample, Recipe())
    for strictness in Strictness:
        for action in ("warn", "block"):
            bound = found.bounds[strictness][action]
            assert bound.campaigns_hit == hits(found, sample, strictness, action)
            assert bound.campaigns == legitimate
            assert bound.upper == upper_bound(bound.campaigns_hit, bound.campaigns, bound.confidence)


@pytest.mark.parametrize("strictness", list(Strictness))
def test_the_wanted_rate_is_kept_where_there_are_messages_enough(strictness: Strictness) -> None:
    random = np.random.default_rng(3)
    sample = scores(random.beta(1, 30, 50_000), random.beta(8, 1, 3000), judged_harassment=0.3)
    recipe = Recipe()
    found = calibrate(sample, recipe)
    bound = found.bounds[strictness]["warn"]
    assert bound.upper <= bound.wanted == recipe.wanted.of(strictness)
    assert upper_bound(bound.campaigns_hit + 1, bound.campaigns, bound.confidence) > bound.wanted, "no hit is wasted"
    assert found.bounds[strictness]["block"].upper <= bound.wanted * recipe.block_share


def test_the_bound_holds_for_messages_that_nobody_looked_at() -> None:
    """The true rate is above the published bound in about one of twenty draws, not more."""
    recipe = Recipe(wanted=WantedRates(gentle=0.01, normal=0.02, strict=0.05))
    broken = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        sample = scores(random.random(600), random.beta(8, 1, 400), judged_harassment=1.0, seed=seed)
        found = calibrate(sample, recipe)
        true_rate = 1.0 - found.thresholds[Strictness.NORMAL][Category.FRAUD].warn  # scores are uniform
        broken += true_rate > found.bounds[Strictness.NORMAL]["warn"].upper
    assert broken <= 20


def test_too_few_messages_publish_the_bound_that_was_reached() -> None:
    found = calibrate(scores(np.full(30, 0.4), np.full(100, 0.99)), Recipe())
    bound = found.bounds[Strictness.NORMAL]["warn"]
    assert bound.campaigns_hit == 0
    assert bound.upper == upper_bound(0, 30, 0.95) > bound.wanted


def test_no_threshold_is_out_of_reach() -> None:
    """Even if every legitimate message looks worse than harassment does, some harassment is still blocked."""
    random = np.random.default_rng(4)
    sample = scores(np.full(500, 0.9999), random.uniform(0.5, 0.99, 400))
    found = calibrate(sample, Recipe())
    for category in HARASSMENT:
        own = sample.harassment[sample.categories == category.value]
        assert (own >= found.thresholds[Strictness.GENTLE][category].warn).mean() >= 0.1
        assert (own >= found.thresholds[Strictness.GENTLE][category].block).mean() >= 0.05
    assert found.bounds[Strictness.GENTLE]["warn"].upper == 1.0


@given(st.integers(1, 500), st.integers(0, 100), st.integers(0, 100))
def test_a_stricter_phone_warns_sooner_and_blocking_takes_more_than_warning(
    legitimate: int, harassment: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    found = calibrate(scores(random.random(legitimate), random.random(harassment), seed=seed), Recipe())
    for category in HARASSMENT:
        gentle, normal, strict = (found.thresholds[strictness][category] for strictness in Strictness)
        assert strict.warn <= normal.warn <= gentle.warn
        assert all(threshold.warn <= threshold.block <= 1.0 for threshold in (gentle, normal, strict))


def test_near_copies_count_once_by_their_worst() -> None:
    sample = scores(np.array([0.2, 0.95, 0.3, 0.1]), np.full(100, 0.99))
    campaigns = list(sample.campaigns)
    campaigns[:3] = ["one campaign"] * 3
    bound = calibrate(replace(sample, campaigns=campaigns), Recipe()).bounds[Strictness.NORMAL]["warn"]
    assert bound.campaigns == 2


def test_strictness_is_graded_even_where_no_rate_can_be_proven() -> None:
    found = calibrate(scores(np.full(30, 0.4), np.full(400, 0.99999)), Recipe())
    warn = [found.thresholds[strictness][Category.PORN].warn for strictness in Strictness]
    assert warn[0] > warn[1] > warn[2] > 0.5
