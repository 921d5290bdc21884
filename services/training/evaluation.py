"""Judges a release on held-out messages: the exported graph, as a phone runs it, not the classifier that it came from.

At strictness normal a message of harassment is right when it is warned of or blocked, any other when it is not.
Every rate stands with its exact 95 % interval. No text of a message is in the result.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mobile_model import policy
from mobile_model.classifier import HashedNgramClassifier
from mobile_model.scorer import Scorer
from services.training import augmentation
from services.training.dataset import Messages
from services.training.figures import (
    UNNAMED,
    Acted,
    CategoryResult,
    DisguiseResult,
    Evaluation,
    GroupResult,
    Parity,
    Rate,
    Reliability,
    ReliabilityBin,
    TradeOff,
)
from services.training.fitting import OnProgress
from services.training.recipe import Recipe
from shared.categories import HARASSMENT, LEGITIMATE, PROTECTED_TOPICS, Action, Category, Strictness
from shared.release_card import PairedCounts, ReleaseCard

_BLOCK: Final = 500
_BINS: Final = 10
_HARASSMENT_COLUMNS: Final = [list(Category).index(category) for category in HARASSMENT]


@dataclass(frozen=True)
class Judged:
    """What a release says of some messages.

    Attributes:
        probabilities: float64[messages, categories].
        named: the category that the phone shows; `unnamed` for harassment below the threshold of warning.
        warned: per strictness, whether a message is warned of or blocked.
        blocked: per strictness, whether it is blocked.
    """

    probabilities: NDArray[np.float64]
    named: NDArray[np.str_]
    warned: Mapping[Strictness, NDArray[np.bool_]]
    blocked: Mapping[Strictness, NDArray[np.bool_]]

    @property
    def harassment(self) -> NDArray[np.float64]:
        """The probability of harassment of each message; 0 where another category is the likeliest."""
        likeliest = np.isin(self.probabilities.argmax(axis=1), _HARASSMENT_COLUMNS)
        summed: NDArray[np.float64] = self.probabilities[:, _HARASSMENT_COLUMNS].sum(axis=1)
        return np.where(likeliest, summed, 0.0)


@dataclass(frozen=True)
class Release:
    """A model with its card, as the registry or a run's folder holds it."""

    model: bytes
    card: ReleaseCard


def judge(release: Release, texts: Sequence[str], on_message: OnProgress) -> Judged:
    """Scores messages with a release, at every strictness.

    Raises:
        mobile_model.scorer.ModelError: if the release cannot be used.
    """
    scorer = Scorer(release.model, release.card)
    probabilities = np.zeros((len(texts), len(Category)))
    named = np.full(len(texts), UNNAMED, dtype="U16")
    warned = {strictness: np.zeros(len(texts), dtype=np.bool_) for strictness in Strictness}
    blocked = {strictness: np.zeros(len(texts), dtype=np.bool_) for strictness in Strictness}
    for row, verdict in enumerate(scorer.score_many(texts)):
        if row % _BLOCK == 0:
            on_message(row, len(texts), None)
        values = [verdict.probabilities[category] for category in Category]
        probabilities[row] = values
        if verdict.category not in HARASSMENT:
            named[row] = verdict.category.value
            continue
        for strictness in Strictness:
            action = policy.decide(values, release.card, strictness).action
            warned[strictness][row] = action in {Action.WARN, Action.BLOCK}
            blocked[strictness][row] = action is Action.BLOCK
        if warned[Strictness.NORMAL][row]:
            named[row] = verdict.category.value
    return Judged(probabilities, named, warned, blocked)


def evaluate(
    candidate: Release,
    reference: Release | None,
    held_out: Messages,
    recipe: Recipe,
    on_progress: OnProgress,
    *,
    trained_on: int,
    classifier: HashedNgramClassifier,
) -> Evaluation:
    """Judges a candidate on the held-out messages, beside the release in service if there is one.

    Args:
        candidate: the exported graph and its card.
        reference: the release in service.
        held_out: the held-out messages, in the order of their ids.
        recipe: the recipe of the run.
        on_progress: is told how far it is.
        trained_on: how many other messages there are.
        classifier: what the graph was exported from, for parity alone.
    """
    judged = judge(candidate, held_out.texts, on_progress)
    rival = judge(reference, held_out.texts, on_progress) if reference else None
    truth = held_out.categories
    return Evaluation(
        release=candidate.card.version,
        reference=reference.card.version if reference else None,
        data_digest=candidate.card.data_digest,
        held_out_digest=held_out.digest(),
        trained_on=trained_on,
        held_out=len(held_out),
        model_bytes=len(candidate.model),
        categories={category: _category(judged, truth, category) for category in Category},
        confusion={category: _confusion(judged, truth == category.value) for category in Category},
        legitimate={category: _group(judged, truth == category.value) for category in LEGITIMATE},
        topics={topic: _group(judged, chosen) for topic, chosen in _topics(held_out).items()},
        disguises=_disguises(candidate, held_out, recipe, on_progress),
        reliability=_reliability(judged, truth),
        parity=_parity(judged, classifier, held_out.texts),
        trade_off=_trade_off(judged, truth),
        thresholds=candidate.card.thresholds,
        bounds=candidate.card.bounds,
        groups=tuple(_paired_groups(judged, rival, held_out)),
    )


def _category(judged: Judged, truth: NDArray[np.str_], category: Category) -> CategoryResult:
    is_it = truth == category.value
    is_named = judged.named == category.value
    acted = _acted(judged, is_it)
    recall = acted[Strictness.NORMAL].warned_or_blocked if category in HARASSMENT else Rate.count(is_named[is_it])
    return CategoryResult(
        messages=int(np.count_nonzero(is_it)), precision=Rate.count(is_it[is_named]), recall=recall, acted=acted
    )


def _group(judged: Judged, chosen: NDArray[np.bool_]) -> GroupResult:
    return GroupResult(messages=int(np.count_nonzero(chosen)), acted=_acted(judged, chosen))


def _acted(judged: Judged, chosen: NDArray[np.bool_]) -> dict[Strictness, Acted]:
    return {
        strictness: Acted(
            warned_or_blocked=Rate.count(judged.warned[strictness][chosen]),
            blocked=Rate.count(judged.blocked[strictness][chosen]),
        )
        for strictness in Strictness
    }


def _confusion(judged: Judged, chosen: NDArray[np.bool_]) -> dict[str, int]:
    names, counts = np.unique(judged.named[chosen], return_counts=True)
    found = dict(zip(names.tolist(), counts.tolist(), strict=True))
    return {name: found.get(name, 0) for name in [*(category.value for category in Category), UNNAMED]}


def _topics(messages: Messages) -> dict[str, NDArray[np.bool_]]:
    """Gives per topic which of the messages are legitimate and about it; protected topics first."""
    legitimate = _is_one_of(messages.categories, LEGITIMATE)
    topics = np.array([topic or "" for topic in messages.topics], dtype="U40")
    others = sorted(set(topics[legitimate].tolist()) - {"", *PROTECTED_TOPICS})
    return {topic: legitimate & (topics == topic) for topic in (*PROTECTED_TOPICS, *others)}


def _is_one_of(categories: NDArray[np.str_], wanted: Iterable[Category]) -> NDArray[np.bool_]:
    return np.isin(categories, [category.value for category in wanted])


def _disguises(
    candidate: Release, held_out: Messages, recipe: Recipe, on_progress: OnProgress
) -> dict[str, DisguiseResult]:
    """Disguises the first messages of each category, in the order of their ids, once for each family."""
    chosen = np.zeros(len(held_out), dtype=np.bool_)
    for category in (*LEGITIMATE, *HARASSMENT):
        chosen[np.flatnonzero(held_out.categories == category.value)[: recipe.evaluated_copies]] = True
    sample = held_out.where(chosen)
    caught = _is_one_of(sample.categories, HARASSMENT)
    plain = judge(candidate, sample.texts, on_progress).warned[Strictness.NORMAL]
    results = {}
    for name, disguise in augmentation.DISGUISES.items():
        texts = [
            disguise(text, augmentation.seeded(recipe.seed, "evaluation", name, report))
            for text, report in zip(sample.texts, sample.report_ids, strict=True)
        ]
        warned = judge(candidate, texts, on_progress).warned[Strictness.NORMAL]
        results[name] = DisguiseResult(
            taught=name in augmentation.TRAINED,
            caught=Rate.count(warned[caught]),
            caught_undisguised=Rate.count(plain[caught]),
            hit=Rate.count(warned[~caught]),
            hit_undisguised=Rate.count(plain[~caught]),
        )
    return results


def _reliability(judged: Judged, truth: NDArray[np.str_]) -> Reliability:
    probability = judged.probabilities[:, _HARASSMENT_COLUMNS].sum(axis=1)
    is_harassment = _is_one_of(truth, HARASSMENT)
    place = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    bins, gap = [], 0.0
    for number in range(_BINS):
        inside = place == number
        mean = float(probability[inside].mean()) if inside.any() else None
        rate = Rate.count(is_harassment[inside])
        bins.append(
            ReliabilityBin(
                low=number / _BINS, high=(number + 1) / _BINS, messages=rate.of, mean_probability=mean, harassment=rate
            )
        )
        gap += rate.of * abs(mean - rate.rate) if mean is not None and rate.rate is not None else 0.0
    return Reliability(expected_calibration_error=gap / len(truth) if len(truth) else None, bins=tuple(bins))


def _parity(judged: Judged, classifier: HashedNgramClassifier, texts: Sequence[str]) -> Parity:
    if not texts:
        return Parity(messages=0, largest_difference=0.0)
    difference = np.abs(classifier.predict_proba(texts).astype(np.float64) - judged.probabilities)
    return Parity(messages=len(texts), largest_difference=float(difference.max()))


def _trade_off(judged: Judged, truth: NDArray[np.str_]) -> tuple[TradeOff, ...]:
    harassment, legitimate = _is_one_of(truth, HARASSMENT), _is_one_of(truth, LEGITIMATE)
    if not harassment.any() or not legitimate.any():
        return ()
    severities = np.concatenate([np.linspace(0.05, 0.9, 35), 1.0 - np.logspace(-1.0, -4.0, 25)])
    scores = judged.harassment
    return tuple(
        TradeOff(
            severity=round(float(severity), 6),
            caught=float((scores[harassment] >= severity).mean()),
            hit=float((scores[legitimate] >= severity).mean()),
        )
        for severity in severities
    )


def _paired_groups(candidate: Judged, reference: Judged | None, held_out: Messages) -> Iterable[PairedCounts]:
    is_harassment = _is_one_of(held_out.categories, HARASSMENT)
    candidate_right = candidate.warned[Strictness.NORMAL] == is_harassment
    reference_right = (
        reference.warned[Strictness.NORMAL] == is_harassment
        if reference is not None
        else np.zeros(len(held_out), dtype=np.bool_)
    )
    for category in Category:
        kind: Literal["category", "legitimate"] = "legitimate" if category in LEGITIMATE else "category"
        yield _paired(kind, category.value, candidate_right, reference_right, held_out.categories == category.value)
    for topic, chosen in _topics(held_out).items():
        if topic in PROTECTED_TOPICS:
            yield _paired("topic", topic, candidate_right, reference_right, chosen)


def _paired(
    kind: Literal["category", "legitimate", "topic"],
    name: str,
    candidate: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    chosen: NDArray[np.bool_],
) -> PairedCounts:
    ours, theirs = candidate[chosen], reference[chosen]
    return PairedCounts(
        kind=kind,
        name=name,
        messages=len(ours),
        both_right=int(np.count_nonzero(ours & theirs)),
        only_candidate_right=int(np.count_nonzero(ours & ~theirs)),
        only_reference_right=int(np.count_nonzero(~ours & theirs)),
        both_wrong=int(np.count_nonzero(~ours & ~theirs)),
    )
