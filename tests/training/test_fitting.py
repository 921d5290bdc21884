"""The same messages and recipe make the same classifier; no message is scored by one that knows its campaign."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mobile_model.classifier import HashedNgramClassifier
from mobile_model.features import SKELETON, WHOLE_LINE, WHOLE_VIEWS, FeatureSpec, encode, matrix
from mobile_model.graph import export
from mobile_model.regression import Sums
from services.training.dataset import Messages
from services.training.engines import FitEngine, LocalEngine, PartScores, Tick
from services.training.examples import make_examples
from services.training.fitting import (
    OnProgress,
    cross_fit,
    fit,
    local_engine,
    score_unseen,
    weights_from_bytes,
    weights_to_bytes,
)
from services.training.parts import Part, arrange, folds
from services.training.recipe import Recipe
from tests.training.snapshots import freeze, make_rows
from tests.training.workers import QUICK


def messages(each: int = 30) -> Messages:
    snapshot = freeze(make_rows(each=each))
    return Messages.from_snapshot(snapshot.parquet, snapshot.digest)


def unheard(_done: int, _total: int, _note: str | None = None) -> None:
    """Progress that nobody follows."""


def fit_messages(training: Messages, recipe: Recipe = QUICK) -> HashedNgramClassifier:
    return fit(engine_of(training, recipe), recipe, unheard)


def engine_of(training: Messages, recipe: Recipe = QUICK) -> FitEngine:
    return local_engine(arrange(training.to_table(), recipe), recipe, unheard)


def print_model_digest() -> None:
    sys.stdout.write(hashlib.sha256(export(fit_messages(messages().training))).hexdigest())


@pytest.mark.parametrize("environment", [
    {"PYTHONHASHSEED": "1"},
    {"PYTHONHASHSEED": "2", "OPENBLAS_CORETYPE": "Prescott", "OMP_NUM_THREADS": "1"},
    {"NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"},
], ids=["hash seed", "other BLAS", "other SIMD"])  # fmt: skip
def test_any_process_on_any_processor_makes_the_same_model(environment: dict[str, str]) -> None:
    code = "import tests.training.test_fitting as t; t.print_model_digest()"
    other = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, check=True, text=True
    )
    assert other.stdout.strip() == hashlib.sha256(export(fit_messages(messages().training))).hexdigest()


def test_another_seed_makes_another_model() -> None:
    training = messages().training
    first, second = (export(fit_messages(training, replace(QUICK, seed=seed))) for seed in (1, 2))
    assert first != second


def test_the_classifier_is_kept_whole_between_steps() -> None:
    training = messages().training
    classifier = fit_messages(training)
    again = weights_from_bytes(weights_to_bytes(classifier), QUICK)
    assert export(again) == export(classifier)
    assert np.array_equal(again.predict_proba(training.texts), classifier.predict_proba(training.texts))


def test_a_campaign_is_never_cut_apart() -> None:
    whole = messages().training
    shared = replace(whole, campaigns=[f"campaign {number // 7}" for number in range(len(whole))])
    fold = folds(shared.campaigns, Recipe())
    assert set(fold.tolist()) == {0, 1, 2}
    for campaign in set(shared.campaigns):
        assert len({part for part, name in zip(fold.tolist(), shared.campaigns, strict=True) if name == campaign}) == 1


def test_folds_without_messages_leave_no_gap() -> None:
    few = messages().training.where(np.arange(168) < 2)
    assert set(folds(few.campaigns, replace(Recipe(), folds=20)).tolist()) in ({0}, {0, 1})


def test_no_message_is_scored_by_a_model_that_knows_its_campaign() -> None:
    training = messages().training
    shared = replace(training, campaigns=[f"campaign {number // 5}" for number in range(len(training))])
    arrangement = arrange(shared.to_table(), QUICK)
    learned: list[set[str]] = []
    judged: list[set[str]] = []

    class Watched(LocalEngine):
        def sums(self, parts: Sequence[Part], tick: Tick) -> Sums:
            learned.append({name for part in parts for name in arrangement.read(part).campaigns})
            return super().sums(parts, tick)

        def scores(self, parts: Sequence[Part], *rest: Any) -> Iterator[PartScores]:
            judged.append({name for part in parts for name in arrangement.read(part).campaigns})
            return super().scores(parts, *rest)

    scores = cross_fit(Watched(arrangement, QUICK, lambda *_: None), QUICK, unheard)
    assert len(learned) == len(judged) == 2
    for others, left_out in zip(learned, judged, strict=True):
        assert left_out
        assert others
        assert not others & left_out
    assert set.union(*judged) == set(shared.campaigns)
    assert list(scores.campaigns) == [
        name for part in arrangement.training for name in arrangement.read(part).campaigns
    ]


def test_scores_know_what_was_learned() -> None:
    training = messages().training
    recipe = replace(QUICK, fold_iterations=30)
    scores = score_unseen(training, recipe, unheard)
    assert scores.categories.tolist() == training.categories.tolist()
    assert list(scores.campaigns) == list(training.campaigns)
    harassment = np.isin(training.categories, ["porn", "fraud", "gambling", "illegal"])
    assert scores.harassment[harassment].mean() > scores.harassment[~harassment].mean() + 0.5
    assert ((scores.harassment >= 0.0) & (scores.harassment <= 1.0 + 1e-6)).all()


BARE = replace(
    QUICK, harassment_copies=0.0, other_copies=0.0, joined_copies=0.0, linked_harassment=0.0, linked_others=0.0
)


def test_examples_hold_the_messages_and_then_their_copies() -> None:
    training = messages().training
    examples = make_examples(training, Recipe(), FeatureSpec())
    assert examples.rows.shape[0] == len(examples.categories) == len(examples.weights) == len(examples.message)
    assert np.array_equal(examples.message[: len(training)], np.arange(len(training)))
    assert len(examples.message) > len(training)


def test_every_message_gets_a_linked_copy_if_the_recipe_says_so() -> None:
    training = messages().training
    linked = make_examples(training, replace(BARE, linked_harassment=1.0, linked_others=1.0), FeatureSpec())
    assert linked.message[len(training) : 2 * len(training)].tolist() == list(range(len(training)))


def test_linked_copies_of_harassment_and_of_others_are_wanted_apart() -> None:
    training = messages().training
    harassment = ["porn", "fraud", "gambling", "illegal"]
    for recipe, is_harassment in (
        (replace(BARE, linked_harassment=1.0), True),
        (replace(BARE, linked_others=1.0), False),
    ):
        message = make_examples(training, recipe, FeatureSpec()).message
        copied = message[len(training) : len(message) // WHOLE_VIEWS]
        assert copied.tolist() == np.flatnonzero(np.isin(training.categories, harassment) == is_harassment).tolist()


def test_no_copies_are_a_recipe_too() -> None:
    training = messages().training
    examples = make_examples(training, BARE, FeatureSpec())
    assert examples.message.tolist() == [*range(len(training))] * WHOLE_VIEWS


def test_each_message_is_shown_as_a_whole_and_as_its_skeleton() -> None:
    training = messages().training
    examples = make_examples(training, replace(BARE, skeleton_weight=0.25), FeatureSpec())
    corpus = encode(training.texts)
    for view, weight in ((WHOLE_LINE, 1.0), (SKELETON, 0.25)):
        rows = slice(view * len(training), (view + 1) * len(training))
        assert (examples.rows[rows] != matrix(corpus, FeatureSpec(), view)).nnz == 0
        assert examples.weights[rows].tolist() == (weight * examples.weights[: len(training)]).tolist()


class EnoughError(Exception):
    pass


@pytest.mark.parametrize("work", ["copies", "fit", "cross-fit"])
def test_what_is_told_ends_the_work_at_any_time(work: str) -> None:
    arrangement = arrange(messages().training.to_table(), QUICK)
    engine = local_engine(arrangement, QUICK, unheard)
    do: Callable[[OnProgress], object] = {
        "copies": lambda told: local_engine(arrangement, QUICK, told),
        "fit": lambda told: fit(engine, QUICK, told),
        "cross-fit": lambda told: cross_fit(engine, QUICK, told),
    }[work]
    told: list[tuple[int, int, str | None]] = []
    do(lambda *what: told.append(what))
    shares = [done / total for done, total, _ in told]
    assert shares == sorted(shares)
    for calls in (1, len(told) // 2 + 1, len(told)):
        left = iter(range(calls - 1))

        def stop(*_: object, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise EnoughError

        with pytest.raises(EnoughError):
            do(stop)
