"""Does a corpus teach more than itself? Scenarios and hard pairs are judged by models that never saw them.

Scenarios are divided into parts by a stable hash of their names, and hard pairs, twins together, by one of theirs. Each
part is scored by a classifier that was fitted, as the recipe fits, on all other parts, and on no copy with text of a
message that is left out. So a rate here says how the model does on a *kind* of message that nobody taught it, which is
much harder than another message of a kind that it knows, and is what the world will ask of it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from services.training.calibration import CrossFittedScores, calibrate
from services.training.dataset import Messages
from services.training.fitting import OnProgress, score_unseen
from services.training.recipe import Recipe
from shared.categories import HARASSMENT, LEGITIMATE, Category, Strictness

PARTS: Final = 10
LEAST_RECOGNISED: Final = 0.85
"""Of the messages of a harassment scenario that was left out, on average over the scenarios."""
LEAST_TOLD_APART: Final = 0.95
"""Of the hard pairs that were left out."""


@dataclass(frozen=True)
class ScenarioResult:
    """How the messages of a scenario were judged by models that saw none of them.

    Attributes:
        name: the scenario.
        category: what its messages are.
        messages: how many there are.
        recognised: share that was likeliest a category of harassment; recall there, false positives elsewhere.
        warned: share that a phone would warn of or block at strictness normal.
    """

    name: str
    category: str
    messages: int
    recognised: float
    warned: float


@dataclass(frozen=True)
class PairResult:
    """How the hard pairs were judged by models that saw neither twin.

    Attributes:
        pairs: how many there are.
        ordered: share in which the twin of harassment has the higher probability of harassment.
        told_apart: share in which, besides, that twin and only that was likeliest a category of harassment.
        warned_apart: share in which that twin and only that would be warned of at strictness normal.
    """

    pairs: int
    ordered: float
    told_apart: float
    warned_apart: float


@dataclass(frozen=True)
class Average:
    """The means over some scenarios, each counting alike."""

    scenarios: int
    recognised: float
    warned: float


@dataclass(frozen=True)
class Generalisation:
    """What a corpus teaches of what it does not hold.

    Attributes:
        scenarios: every scenario but those of hard pairs, by name.
        pairs: the hard pairs.
        thresholds: probability of harassment from which on phones warn at strictness normal, per category.
    """

    scenarios: Sequence[ScenarioResult]
    pairs: PairResult
    thresholds: dict[str, float]

    def average(self, categories: Sequence[Category]) -> Average:
        """Gives the means over the scenarios of some categories; zero where there are none."""
        chosen = [scenario for scenario in self.scenarios if scenario.category in set(categories)]
        count = max(1, len(chosen))
        return Average(len(chosen), sum(s.recognised for s in chosen) / count, sum(s.warned for s in chosen) / count)

    def worst(self, categories: Sequence[Category], count: int = 10) -> list[ScenarioResult]:
        """Gives the scenarios of some categories that were judged worst, the worst first."""
        chosen = [scenario for scenario in self.scenarios if scenario.category in set(categories)]
        return sorted(chosen, key=lambda s: (s.recognised if s.category in HARASSMENT else -s.recognised, s.name))[
            :count
        ]

    @property
    def targets(self) -> dict[str, bool]:
        """Says of each target whether it is met."""
        return {
            "recognised": self.average(HARASSMENT).recognised >= LEAST_RECOGNISED,
            "ordered": self.pairs.ordered >= LEAST_TOLD_APART,
            "told_apart": self.pairs.told_apart >= LEAST_TOLD_APART,
        }

    def document(self) -> dict[str, Any]:
        """Gives all figures as JSON values."""
        return {
            "harassment": asdict(self.average(HARASSMENT)),
            "legitimate": asdict(self.average(LEGITIMATE)),
            "promotion": asdict(self.average([Category.PROMOTION])),
            "pairs": asdict(self.pairs),
            "targets": self.targets,
            "thresholds": self.thresholds,
            "scenarios": [asdict(scenario) for scenario in self.scenarios],
        }


def generalise(
    messages: Messages,
    scenarios: Sequence[str],
    pairs: Sequence[str | None],
    recipe: Recipe,
    on_progress: OnProgress,
    *,
    parts: int = PARTS,
) -> Generalisation:
    """Judges every scenario and every hard pair by models that saw none of it: the same figures every time.

    Args:
        messages: all messages; campaigns are what thresholds count, as in a run.
        scenarios: the name of the scenario of each message.
        pairs: the name of the pair of each message that is a twin of one.
        recipe: how to fit; its own number of folds is not used.
        on_progress: is told how far it is.
        parts: how many parts scenarios and pairs are divided into.

    Raises:
        UnusableSnapshotError: if all scenarios and pairs fall into one part.
    """
    recipe = replace(recipe, folds=parts)
    left_out = replace(messages, campaigns=[pair or scenario for scenario, pair in zip(scenarios, pairs, strict=True)])
    scores = score_unseen(left_out, recipe, on_progress)
    thresholds = calibrate(replace(scores, campaigns=messages.campaigns), recipe).thresholds[Strictness.NORMAL]
    warn = {category.value: threshold.warn for category, threshold in thresholds.items()}
    recognised = np.isin(scores.judged, list(warn))
    needed = np.array([warn.get(category, np.inf) for category in scores.judged.tolist()])
    warned: NDArray[np.bool_] = scores.harassment >= needed
    in_pairs = np.array([pair is not None for pair in pairs], dtype=np.bool_)
    results = [
        ScenarioResult(
            name=name,
            category=str(messages.categories[rows[0]]),
            messages=len(rows),
            recognised=float(recognised[rows].mean()),
            warned=float(warned[rows].mean()),
        )
        for name, rows in _rows_of(np.array(scenarios), ~in_pairs)
    ]
    return Generalisation(results, _judge_pairs(scores, recognised, warned, pairs), warn)


def _rows_of(names: NDArray[np.str_], chosen: NDArray[np.bool_]) -> list[tuple[str, NDArray[np.int64]]]:
    """Gives each name among the chosen rows with its rows, by name."""
    rows = np.flatnonzero(chosen)
    return [(str(name), rows[names[rows] == name]) for name in np.unique(names[rows])]


def _judge_pairs(
    scores: CrossFittedScores,
    recognised: NDArray[np.bool_],
    warned: NDArray[np.bool_],
    pairs: Sequence[str | None],
) -> PairResult:
    is_harassment = np.isin(scores.categories, [category.value for category in HARASSMENT])
    rows: dict[str, dict[bool, int]] = {}
    for row, pair in enumerate(pairs):
        if pair is not None:
            rows.setdefault(pair, {})[bool(is_harassment[row])] = row
    twins = np.array([(both[True], both[False]) for both in rows.values() if len(both) > 1], dtype=np.int64)
    if not len(twins):
        return PairResult(0, 0.0, 0.0, 0.0)
    bad, good = twins.T
    ordered = scores.harassment[bad] > scores.harassment[good]
    told_apart = ordered & recognised[bad] & ~recognised[good]
    warned_apart = warned[bad] & ~warned[good]
    return PairResult(len(twins), float(ordered.mean()), float(told_apart.mean()), float(warned_apart.mean()))
