"""The classifier as scikit-learn knows it; `graph.py` turns it into the graph that phones run."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_matrix, vstack
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from mobile_model import features, regression
from mobile_model.features import WHOLE_VIEWS, FeatureSpec, Ngrams, Views
from mobile_model.portable_math import exp
from shared.categories import HARASSMENT, Category

CATEGORIES: Final = tuple(Category)
FIRST_HARASSMENT: Final = len(CATEGORIES) - len(HARASSMENT)
"""Harassment is the last columns of every array over categories."""

_PARTITIONS: Final = 4
"""Fixed, so that neither the number of processors nor of threads changes the order of the sums."""

Floats32 = NDArray[np.float32]


@dataclass(frozen=True)
class QuantizedWeights:
    """What a phone carries: `logit = sum of weights * scale / root(count) + bias`, in float32 and in this order.

    `weights` is int8[buckets, categories]; `scales` and `bias` are float32[categories].
    """

    weights: NDArray[np.int8]
    scales: Floats32
    bias: Floats32


@dataclass(frozen=True)
class Decisions:
    """What the graph answers for each message: float32[messages, categories], and the view that decided.

    `window_start` and `window_end` are code points of the message; `view` counts from 0, as in `features.Views`.
    """

    probabilities: Floats32
    view: NDArray[np.int64]
    window_start: NDArray[np.int64]
    window_end: NDArray[np.int64]


class HashedNgramClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is not typed
    """Multinomial logistic regression on hashed n-grams, with weights of one byte.

    Args:
        spec: the constants of the features; None for the usual ones.
        l2: strength of the penalty, `l2 / 2 * sum(weights ** 2)`; the inverse of scikit-learn's C.
        max_iterations: of L-BFGS.
        tolerance: it ends when the loss falls by less than this part of itself.
    """

    def __init__(
        self,
        spec: FeatureSpec | None = None,
        *,
        l2: float = 0.3,
        max_iterations: int = 30,
        tolerance: float = 1e-5,
    ) -> None:
        self.spec = spec
        self.l2 = l2
        self.max_iterations = max_iterations
        self.tolerance = tolerance

    @property
    def features(self) -> FeatureSpec:
        """The constants in use."""
        return self.spec or FeatureSpec()

    def fit(
        self,
        texts: Sequence[str],
        categories: Sequence[str],
        sample_weight: ArrayLike | None = None,
        on_iteration: regression.OnIteration | None = None,
    ) -> Self:
        """Fits messages, each as a whole line and as its skeleton. See `fit_matrix`."""
        corpus = features.encode(texts)
        rows = vstack([features.matrix(corpus, self.features, view) for view in range(WHOLE_VIEWS)], format="csr")
        weights = None if sample_weight is None else np.tile(np.asarray(sample_weight), WHOLE_VIEWS)
        return self.fit_matrix(rows, [*categories] * WHOLE_VIEWS, weights, on_iteration)

    def fit_matrix(
        self,
        rows: csr_matrix,
        categories: Sequence[str],
        sample_weight: ArrayLike | None = None,
        on_iteration: regression.OnIteration | None = None,
    ) -> Self:
        """Fits rows made by `features.matrix` or `features.views`; equal input gives equal bits.

        Args:
            rows: float64[messages, buckets].
            categories: the right category of each row.
            sample_weight: how much each row counts; 1 each if None.
            on_iteration: is told the iteration, from 1, and the mean loss; what it raises ends the fit.

        Raises:
            ValueError: for a category that is none, or columns that do not fit.
        """
        labels = columns_of(categories)
        if rows.shape != (len(labels), self.features.buckets):
            raise ValueError(
                f"{len(labels)} categories and {self.features.buckets} buckets do not fit rows of shape {rows.shape}"
            )
        weights = np.ones(len(labels)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        partitions = regression.Partition(rows, labels, weights).split(_PARTITIONS)
        with ThreadPoolExecutor(max_workers=min(_PARTITIONS, os.cpu_count() or 1)) as threads:
            return self.fit_sums(regression.Together(partitions, threads.map), on_iteration)

    def fit_sums(self, messages: regression.Sums, on_iteration: regression.OnIteration | None = None) -> Self:
        """Fits messages of which only sums are known; equal sums give equal bits.

        Args:
            messages: rows made by `features.matrix` or `features.views`, with labels as `columns_of` gives them.
            on_iteration: see `fit_matrix`.
        """
        parameters = regression.fit(
            messages,
            np.zeros((self.features.buckets + 1, len(CATEGORIES))),
            l2=self.l2,
            max_iterations=self.max_iterations,
            tolerance=self.tolerance,
            on_iteration=on_iteration,
        )
        self.classes_ = np.array([c.value for c in CATEGORIES])
        self.coef_: NDArray[np.float64] = parameters[:-1]
        self.intercept_: NDArray[np.float64] = parameters[-1]
        self.quantized_ = quantize(self.coef_, self.intercept_)
        return self

    @property
    def quantized(self) -> QuantizedWeights:
        """The weights that phones carry, and that predictions here use."""
        check_is_fitted(self, "quantized_")
        quantized: QuantizedWeights = self.quantized_
        return quantized

    def decide(self, texts: Sequence[str]) -> Decisions:
        """Answers as the graph does: the same deciding view, the same probabilities within 1e-6."""
        parts = [
            _decide(ngrams, features.find_views(ngrams, self.features), self.quantized)
            for ngrams in features.bucket_indices(features.encode(texts), self.features)
        ]
        return Decisions(
            np.concatenate([p.probabilities for p in parts]),
            np.concatenate([p.view for p in parts]),
            np.concatenate([p.window_start for p in parts]),
            np.concatenate([p.window_end for p in parts]),
        )

    def predict_proba(self, texts: Sequence[str]) -> Floats32:
        """Gives float32[messages, categories], as the graph does."""
        return self.decide(texts).probabilities

    def predict(self, texts: Sequence[str]) -> NDArray[Any]:
        """Gives the most probable category of each message; the first one if two are equal."""
        chosen: NDArray[Any] = self.classes_[self.predict_proba(texts).argmax(axis=1)]
        return chosen

    def contributions(self, text: str) -> Floats32:
        """Gives how much each code point speaks for harassment in the deciding view, float32[len(text)].

        An n-gram speaks with the weight of the strongest harassment category less that of the strongest other one. Its
        share goes in equal parts to its symbols. All contributions, what the n-grams of no symbol say, and the
        difference of the two biases add up to the difference of the two logits.
        """
        (ngrams,) = features.bucket_indices(features.encode([text]), self.features)
        views = features.find_views(ngrams, self.features)
        logits, counts = _logits(ngrams, views, self.quantized)
        view = int(_margins(logits).argmax())
        weights = _speaking_weights(self.quantized, logits[view])
        spoken = weights[ngrams.buckets] / np.sqrt(counts[view])
        spoken[:, ~_owned(ngrams, views, view)] = 0.0
        return _share(ngrams, spoken, len(text))


def columns_of(categories: Sequence[str]) -> NDArray[np.int64]:
    """Gives the column of each category.

    Raises:
        ValueError: for a category that is none.
    """
    columns = {category.value: column for column, category in enumerate(CATEGORIES)}
    if unknown := sorted({str(c) for c in categories} - columns.keys()):
        raise ValueError(f"no such category: {', '.join(unknown)}")
    return np.array([columns[str(c)] for c in categories], dtype=np.int64)


def quantize(weights: NDArray[np.float64], bias: NDArray[np.float64]) -> QuantizedWeights:
    """Gives weights of one byte: per category, the largest becomes 127."""
    largest = np.abs(weights).max(axis=0)
    scales = np.where(largest > 0.0, largest / 127.0, 1.0).astype(np.float32)
    return QuantizedWeights(np.rint(weights / scales).clip(-127, 127).astype(np.int8), scales, bias.astype(np.float32))


def with_count_column(weights: NDArray[np.int8]) -> NDArray[np.int8]:
    """Appends a column of ones, whose sum over a view is the number of its n-grams."""
    return np.hstack([weights, np.ones((len(weights), 1), dtype=np.int8)])


def _decide(ngrams: Ngrams, views: Views, quantized: QuantizedWeights) -> Decisions:
    logits, _ = _logits(ngrams, views, quantized)
    margins = _margins(logits)
    firsts = np.flatnonzero(np.append(True, views.message[1:] != views.message[:-1])[: len(margins)])
    best = np.maximum.reduceat(margins, firsts) if len(firsts) else margins
    among_best = np.flatnonzero(margins == best[views.message])
    chosen = among_best[np.unique(views.message[among_best], return_index=True)[1]]
    odds = exp(logits[chosen].astype(np.float64) - logits[chosen].max(axis=1, keepdims=True))
    is_window = views.number[chosen] >= WHOLE_VIEWS
    lengths = ngrams.source[ngrams.offsets[1:] - 1]
    source = np.append(ngrams.source, 0)  # where a whole view of the last message ends there is no position
    return Decisions(
        (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32),
        views.number[chosen],
        np.where(is_window, source[views.skeleton_begin[chosen]], 0),
        np.where(is_window, source[views.skeleton_end[chosen]], lengths),
    )


def _logits(ngrams: Ngrams, views: Views, quantized: QuantizedWeights) -> tuple[Floats32, Floats32]:
    """Gives float32[views, categories], and the number of n-grams of each view as float32[views]."""
    before = np.zeros((ngrams.buckets.shape[1] + 1, len(CATEGORIES) + 1), dtype=np.int32)
    weights = with_count_column(quantized.weights)
    weights[ngrams.buckets].sum(axis=0, dtype=np.int32).cumsum(axis=0, out=before[1:])
    folded = before[views.folded_end] - before[views.folded_begin]
    skeleton = before[views.skeleton_end] - before[views.skeleton_begin]
    sums: Floats32 = (folded + skeleton).astype(np.float32)
    counts: Floats32 = sums[:, -1]
    logits: Floats32 = sums[:, :-1] * quantized.scales
    logits /= np.sqrt(counts)[:, np.newaxis]
    logits += quantized.bias
    return logits, counts


def _margins(logits: Floats32) -> Floats32:
    """Gives how far the strongest harassment category is above the strongest other one, float32[views]."""
    margins: Floats32 = logits[:, FIRST_HARASSMENT:].max(axis=1) - logits[:, :FIRST_HARASSMENT].max(axis=1)
    return margins


def _speaking_weights(quantized: QuantizedWeights, logits: Floats32) -> Floats32:
    for_it = FIRST_HARASSMENT + int(logits[FIRST_HARASSMENT:].argmax())
    against = int(logits[:FIRST_HARASSMENT].argmax())
    weights: Floats32 = quantized.weights[:, for_it] * quantized.scales[for_it]
    weights -= quantized.weights[:, against] * quantized.scales[against]
    return weights


def _owned(ngrams: Ngrams, views: Views, view: int) -> NDArray[np.bool_]:
    owned = np.zeros(ngrams.buckets.shape[1], dtype=np.bool_)
    owned[views.folded_begin[view] : views.folded_end[view]] = True
    owned[views.skeleton_begin[view] : views.skeleton_end[view]] = True
    return owned


def _share(ngrams: Ngrams, spoken: Floats32, length: int) -> Floats32:
    is_symbol = np.append(ngrams.symbols != 0, np.zeros(features.NGRAM_LENGTHS - 1, dtype=np.bool_))
    positions = len(ngrams.symbols)
    symbols_in = np.cumsum([is_symbol[k : k + positions] for k in range(features.NGRAM_LENGTHS)], axis=0)
    shares = spoken / np.maximum(symbols_in, 1).astype(np.float32)
    contributions = np.zeros(length + 1, dtype=np.float32)
    for offset in range(features.NGRAM_LENGTHS):
        given = shares[offset:].sum(axis=0)
        there = np.flatnonzero(is_symbol[offset : offset + positions])
        np.add.at(contributions, ngrams.source[there + offset], given[there])
    return contributions[:length]
