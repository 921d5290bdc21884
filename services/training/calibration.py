"""Thresholds from data, with a bound on how often they hit a legitimate message that holds for any finite sample.

A message of harassment category c is warned of (or blocked) when its probability of harassment reaches the threshold
of c. All thresholds of one strictness and action come from one number, the *severity*: the threshold of c is the
severity, but never above c's *ceiling*, which a share of the harassment that is recognised as c still reaches. So the
categories share one budget of false positives: it is spent wherever the severity cuts, which by the lemma of Neyman
and Pearson (1933) catches most for the budget, and the ceilings see to it that no threshold is so high that nothing
reaches it. Ceilings are fixed by harassment alone, before any legitimate message is looked at.

With the ceilings fixed, raising the severity can only lower the rate of false positives. For such a risk the smallest
severity whose exact binomial upper bound (Clopper and Pearson, "The use of confidence or fiducial limits illustrated
in the case of the binomial", Biometrika 26, 1934) is not above the wanted rate keeps the true rate at or below it
with the confidence of the bound, although the severity is chosen on the same messages: Bates et al.,
"Distribution-free, risk-controlling prediction sets", Journal of the ACM 68, 2021; Angelopoulos et al., "Conformal
risk control", 2022, give the same for the expected rate. What is counted are campaigns, each by its most suspicious
message: near-copies are not independent, and a campaign that is hit at all counts as hit.

The rate is kept for all legitimate campaigns together and for those of each legitimate class that has enough of them to
prove it: much chat, which is hardly ever mistaken, must not pay for codes and bank notices. The largest severity is
used, and the bound of whichever group has the largest one is published.

Where even no hit among so few campaigns cannot prove the wanted rate, the severity is that of no hit, and its odds
are raised by as much as the bound misses the wanted rate; this is prudence and proves nothing, so the bound that is
published is the one that was reached, never the wanted one.

The scores are cross-fitted: each message is scored by a model that saw nothing of its campaign. The release is fitted
on more messages than those models; that it is no worse than they are is assumed, as in Barber et al., "Predictive
inference with the jackknife+", Annals of Statistics 49, 2021, and the evaluation on held-out messages shows whether
it is so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from services.training.recipe import Recipe
from shared.categories import HARASSMENT, LEGITIMATE, Category, Strictness
from shared.release_card import RateBound, Threshold

_FEWEST: Final = 20
"""Recognised messages of one category below which its ceiling is that of all harassment together."""
_NOTHING_KNOWN: Final = 0.5
"""The ceiling where no harassment was recognised at all, and the least severity where no rate can be proven."""
_RESOLUTION: Final = 1e-6
"""Thresholds are multiples of this: what runtimes may differ by cannot move a message across one."""


@dataclass(frozen=True)
class CrossFittedScores:
    """How models that did not know a message's campaign judged it. All columns have the same length.

    Attributes:
        categories: what each message is.
        campaigns: the campaign of each message.
        judged: the category that the model gave it.
        harassment: the sum of the probabilities of harassment, from 0 to 1.
    """

    categories: NDArray[np.str_]
    campaigns: Sequence[str]
    judged: NDArray[np.str_]
    harassment: NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Thresholds per strictness and harassment category, and what is known of their false-positive rates."""

    thresholds: dict[Strictness, dict[Category, Threshold]]
    bounds: dict[Strictness, dict[Literal["warn", "block"], RateBound]]


def upper_bound(hits: int, trials: int, confidence: float) -> float:
    """Gives the exact one-sided upper bound on a rate (Clopper and Pearson, 1934); 1 if nothing was tried."""
    if hits >= trials:
        return 1.0
    return float(betaincinv(hits + 1, trials - hits, confidence))


def interval(hits: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Gives the exact two-sided interval of a rate (Clopper and Pearson, 1934); (0, 1) if nothing was tried."""
    if trials == 0:
        return 0.0, 1.0
    tail = (1.0 - confidence) / 2.0
    lower = 0.0 if hits == 0 else float(betaincinv(hits, trials - hits + 1, tail))
    return lower, upper_bound(hits, trials, 1.0 - tail)


def calibrate(scores: CrossFittedScores, recipe: Recipe) -> Calibration:
    """Chooses every threshold and says what is known of its false-positive rate."""
    ceilings: dict[Literal["warn", "block"], dict[Category, float]] = {
        "warn": _ceilings(scores, recipe.least_reached),
        "block": _ceilings(scores, recipe.least_reached / 2.0),
    }
    thresholds: dict[Strictness, dict[Category, Threshold]] = {}
    bounds: dict[Strictness, dict[Literal["warn", "block"], RateBound]] = {}
    for strictness in Strictness:
        warned = recipe.wanted.of(strictness)
        warn, warn_bound = _choose(scores, ceilings["warn"], warned, recipe.confidence)
        block, block_bound = _choose(scores, ceilings["block"], warned * recipe.block_share, recipe.confidence)
        thresholds[strictness] = {c: Threshold(warn=warn[c], block=max(warn[c], block[c])) for c in HARASSMENT}
        bounds[strictness] = {"warn": warn_bound, "block": block_bound}
    return Calibration(thresholds, bounds)


def _ceilings(scores: CrossFittedScores, reached: float) -> dict[Category, float]:
    """Gives per category the threshold that this share of what is recognised of it still reaches."""
    true = np.isin(scores.categories, _names(HARASSMENT)) & np.isin(scores.judged, _names(HARASSMENT))
    everything = scores.harassment[true]

    def ceiling(category: Category) -> float:
        own = scores.harassment[true & (scores.categories == category.value) & (scores.judged == category.value)]
        sample = own if len(own) >= _FEWEST else everything
        return float(np.quantile(sample, 1.0 - reached)) if len(sample) else _NOTHING_KNOWN

    return {category: ceiling(category) for category in HARASSMENT}


def _choose(
    scores: CrossFittedScores, ceilings: dict[Category, float], wanted: float, confidence: float
) -> tuple[dict[Category, float], RateBound]:
    groups = [_worst_of_campaigns(scores, ceilings, LEGITIMATE)]
    for category in LEGITIMATE:
        worst = _worst_of_campaigns(scores, ceilings, [category])
        if upper_bound(0, len(worst), confidence) <= wanted:
            groups.append(worst)
    severity = max(_smallest_severity(worst, wanted, confidence) for worst in groups)
    thresholds = {category: _rounded_up(min(severity, ceiling)) for category, ceiling in ceilings.items()}
    bounds = [_bound(worst, severity, wanted, confidence) for worst in groups]
    return thresholds, max(bounds, key=lambda bound: bound.upper)


def _bound(worst: NDArray[np.float64], severity: float, wanted: float, confidence: float) -> RateBound:
    hits = int(np.count_nonzero(worst >= severity))
    upper = upper_bound(hits, len(worst), confidence)
    return RateBound(wanted=wanted, upper=upper, confidence=confidence, campaigns=len(worst), campaigns_hit=hits)


def _worst_of_campaigns(
    scores: CrossFittedScores, ceilings: dict[Category, float], categories: Sequence[Category]
) -> NDArray[np.float64]:
    """Gives per campaign of these categories the largest severity that still hits one of its messages, largest first.

    It is -1 where no severity does, because no message is judged to be harassment, and infinite where every one does,
    because a message lies above a ceiling.
    """
    legitimate = np.flatnonzero(np.isin(scores.categories, _names(categories)))
    hit = np.full(len(scores.harassment), -1.0)
    for category, ceiling in ceilings.items():
        judged = scores.judged == category.value
        hit[judged] = np.where(scores.harassment[judged] >= _rounded_up(ceiling), np.inf, scores.harassment[judged])
    campaigns, campaign = np.unique(np.array(scores.campaigns)[legitimate], return_inverse=True)
    worst = np.full(len(campaigns), -1.0)
    np.maximum.at(worst, campaign, hit[legitimate])
    return np.sort(worst)[::-1]


def _smallest_severity(worst: NDArray[np.float64], wanted: float, confidence: float) -> float:
    """Gives the smallest severity whose bound is not above the wanted rate, or the prudent one if none is."""
    campaigns = len(worst)
    allowed = -1
    while allowed + 1 < campaigns and upper_bound(allowed + 1, campaigns, confidence) <= wanted:
        allowed += 1
    kept_hits = max(allowed, 0)
    next_hit = float(worst[kept_hits]) if campaigns > kept_hits else -1.0
    if next_hit == math.inf:
        return 1.0
    severity = _rounded_up(next_hit + 2.0 * _RESOLUTION) if next_hit >= 0.0 else 0.0
    if allowed >= 0:
        return severity
    severity = max(severity, _NOTHING_KNOWN)
    factor = upper_bound(0, campaigns, confidence) / wanted
    odds = factor * severity / max(1.0 - severity, _RESOLUTION)
    return _rounded_up(odds / (1.0 + odds))


def _rounded_up(probability: float) -> float:
    return min(1.0, round(math.ceil(probability / _RESOLUTION) * _RESOLUTION, 6))


def _names(categories: Sequence[Category]) -> list[str]:
    return [category.value for category in categories]
