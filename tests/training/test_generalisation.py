"""Scenarios and hard pairs are judged by models that never saw them, and counted as is said."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from services.training import generalisation
from services.training.calibration import Calibration, CrossFittedScores
from services.training.dataset import Messages
from services.training.failures import UnusableSnapshotError
from services.training.generalisation import Generalisation, generalise
from services.training.parts import folds
from services.training.recipe import Recipe
from shared.categories import HARASSMENT, LEGITIMATE, Category, Strictness
from shared.release_card import Threshold
from tests.training.workers import QUICK

BAIT, CHAT, ALIEN = "中奖缴税点击领取账户", "晚饭回家孩子周末天气", "砂锅炖鲸鱼咏叹调罗盘"


def unheard(_done: int, _total: int, _note: str | None = None) -> None:
    """Progress that nobody follows."""


def words(vocabulary: str, name: str, count: int = 12) -> list[str]:
    random = Random(name)
    return ["".join(random.choices(vocabulary, k=12)) for _ in range(count)]


class Corpus:
    """Messages with the scenarios and pairs that they are in."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str | None]] = []

    def scenario(self, name: str, category: str, texts: list[str]) -> None:
        self.rows += [(name, category, text, None) for text in texts]

    def pair(self, number: int, bad: tuple[str, str], good: tuple[str, str]) -> None:
        self.rows += [("pairs", category, text, f"pairs/{number}") for category, text in (bad, good)]

    @property
    def messages(self) -> Messages:
        ids = [f"message {number}" for number in range(len(self.rows))]
        return Messages(
            report_ids=ids,
            texts=[row[2] for row in self.rows],
            categories=np.array([row[1] for row in self.rows], dtype="U16"),
            topics=[None] * len(ids),
            campaigns=ids,
            weights=np.ones(len(ids)),
            held_out=np.zeros(len(ids), dtype=np.bool_),
        )

    def judge(self, recipe: Recipe = QUICK) -> Generalisation:
        names, pairs = [row[0] for row in self.rows], [row[3] for row in self.rows]
        return generalise(self.messages, names, pairs, recipe, unheard)


@pytest.fixture
def corpus() -> Corpus:
    corpus = Corpus()
    for number in range(8):
        corpus.scenario(f"bait {number}", "fraud", words(BAIT, f"bait {number}"))
        corpus.scenario(f"chat {number}", "personal", words(CHAT, f"chat {number}"))
    return corpus


def test_what_others_teach_is_recognised_and_what_nobody_teaches_is_not(corpus: Corpus) -> None:
    corpus.scenario("alien", "fraud", words(ALIEN, "alien"))
    corpus.scenario("a mistake", "personal", words(BAIT, "a mistake"))
    result = corpus.judge()
    shares = {scenario.name: scenario.recognised for scenario in result.scenarios}
    assert all(shares[f"bait {number}"] > 0.9 for number in range(8))
    assert all(shares[f"chat {number}"] == 0.0 for number in range(8))
    assert result.worst(HARASSMENT)[0].name == "alien"
    assert shares["alien"] < 0.7
    assert result.worst(LEGITIMATE, 1)[0].name == "a mistake"
    assert result.average(HARASSMENT).scenarios == 9
    baits = sum(shares[f"bait {number}"] for number in range(8))
    assert result.average(HARASSMENT).recognised == pytest.approx((baits + shares["alien"]) / 9)
    assert result.average([Category.PROMOTION]).scenarios == 0


def test_a_scenario_that_another_one_teaches_is_recognised(corpus: Corpus) -> None:
    names = [f"alien {number}" for number in range(20)]
    parts = folds(names, replace(QUICK, folds=10))
    first, second = names[0], names[int(np.flatnonzero(parts != parts[0])[0])]
    corpus.scenario(first, "fraud", words(ALIEN, "one"))
    corpus.scenario(second, "fraud", words(ALIEN, "other"))
    shares = {scenario.name: scenario.recognised for scenario in corpus.judge().scenarios}
    assert shares[first] == shares[second] == 1.0


def test_hard_pairs_are_told_apart_by_what_other_pairs_teach(corpus: Corpus) -> None:
    for number in range(12):
        same = words(ALIEN, f"pair {number}", 1)[0][:6]
        corpus.pair(number, ("fraud", f"{same}中奖缴税"), ("personal", f"{same}晚饭回家"))
    result = corpus.judge(replace(QUICK, fold_iterations=20))
    assert result.pairs.pairs == 12
    assert result.pairs.ordered == result.pairs.told_apart == 1.0
    assert result.targets["told_apart"]
    assert "pairs" not in {scenario.name for scenario in result.scenarios}


def test_the_figures_are_the_same_every_time(corpus: Corpus) -> None:
    assert corpus.judge().document() == corpus.judge().document()


def test_everything_in_one_part_is_refused() -> None:
    alone = Corpus()
    alone.scenario("bait", "fraud", words(BAIT, "bait"))
    with pytest.raises(UnusableSnapshotError):
        alone.judge()


def test_twins_are_left_out_together_and_figures_are_counted_as_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four pairs: one right in all, one below the threshold, one only in order, one the wrong way round."""
    corpus = Corpus()
    corpus.scenario("bait", "fraud", words(BAIT, "bait", 4))
    corpus.scenario("chat", "personal", words(CHAT, "chat", 2))
    for number in range(4):
        corpus.pair(number, ("porn", "同一句话"), ("personal", "同一句话"))
    asked: list[list[str]] = []

    def scores(training: Messages, *_: object) -> CrossFittedScores:
        asked.append(list(training.campaigns))
        twins = [("porn", 0.99), ("personal", 0.1), ("porn", 0.6), ("personal", 0.1),
                 ("porn", 0.7), ("fraud", 0.6), ("personal", 0.2), ("personal", 0.3)]  # fmt: skip
        judged = [("fraud", 0.99), ("porn", 0.9), ("fraud", 0.5), ("personal", 0.4), ("personal", 0.0), ("fraud", 0.95),
                  *twins]  # fmt: skip
        return CrossFittedScores(
            training.categories, training.campaigns, np.array([j for j, _ in judged]), np.array([p for _, p in judged])
        )

    monkeypatch.setattr(generalisation, "score_unseen", scores)
    monkeypatch.setattr(
        generalisation, "calibrate", lambda scores, recipe: fixed_calibration(scores, recipe, corpus.messages)
    )
    result = corpus.judge()
    assert asked == [["bait"] * 4 + ["chat"] * 2 + [f"pairs/{number}" for number in (0, 0, 1, 1, 2, 2, 3, 3)]]
    assert (result.pairs.ordered, result.pairs.told_apart, result.pairs.warned_apart) == (0.75, 0.5, 0.25)
    counted = {scenario.name: (scenario.recognised, scenario.warned) for scenario in result.scenarios}
    assert counted == {"bait": (0.75, 0.5), "chat": (0.5, 0.5)}
    assert result.targets == {"recognised": False, "ordered": False, "told_apart": False}


def fixed_calibration(scores: CrossFittedScores, recipe: Recipe, messages: Messages) -> Calibration:
    """Warns from 0.9 on, and sees to it that each message counts for itself in the thresholds."""
    assert list(scores.campaigns) == list(messages.campaigns)
    assert recipe.folds == generalisation.PARTS

    fixed = {category: Threshold(warn=0.9, block=0.9) for category in HARASSMENT}
    return Calibration(dict.fromkeys(Strictness, fixed), {})
