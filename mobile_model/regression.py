"""Multinomial logistic regression that ends with the same bits on every processor.

The usual optimisers leave their sums to BLAS, which rounds differently from one processor to the next; after some
iterations that moves weights across a rounding edge, and a release can no longer be rebuilt byte for byte. (scipy's
L-BFGS-B was tried: the weights of one byte change with the processor.) Everything here is `portable_math` and products
of a sparse matrix, whose order is that of its entries.

The loss is a sum over messages, so partitions can be computed anywhere and added: see `Partition`.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mobile_model.portable_math import Floats, dot, exp, fixed_sum, log

OnIteration = Callable[[int, float], None]
Objective = Callable[[Floats], tuple[float, Floats]]

_PARTITIONS: Final = 4
"""Fixed, so that neither the number of processors nor of threads changes the order of the sums."""
_HISTORY: Final = 8
_SUFFICIENT_DECREASE: Final = 1e-4
_CURVATURE: Final = 0.9
_LINE_SEARCH_STEPS: Final = 30
_SHORTEST_CUT: Final = 0.02
_TYPICAL_VARIANCE: Final = 0.12
"""Of one class indicator, p (1 - p), with seven classes."""


@dataclass(frozen=True)
class Partition:
    """Some messages: rows of features, the column of the right category of each, and what each weighs."""

    features: csr_matrix
    labels: NDArray[np.int64]
    weights: Floats

    def loss_and_gradient(self, parameters: Floats) -> tuple[float, Floats]:
        """Gives the summed loss and its gradient by the parameters, both without the penalty.

        `parameters` is float64[buckets + 1, categories]; the last row is the bias.
        """
        scores = self.features @ parameters[:-1]
        scores += parameters[-1]
        scores -= scores.max(axis=1, keepdims=True)
        rows = np.arange(len(self.labels))
        right = scores[rows, self.labels]
        odds = exp(scores)
        total = odds.sum(axis=1)
        loss = fixed_sum(self.weights * (log(total) - right))
        odds /= total[:, np.newaxis]
        odds[rows, self.labels] -= 1.0
        odds *= self.weights[:, np.newaxis]
        gradient = np.empty_like(parameters)
        gradient[:-1] = self.features.T @ odds
        gradient[-1] = odds.sum(axis=0)
        return loss, gradient

    def split(self, parts: int) -> list["Partition"]:
        """Cuts into runs of rows with about the same number of entries each."""
        marks = np.arange(1, parts) * (self.features.nnz / parts)
        cuts = [0, *np.searchsorted(self.features.indptr[1:], marks), len(self.labels)]
        return [
            Partition(self.features[first:last], self.labels[first:last], self.weights[first:last])
            for first, last in pairwise(cuts)
        ]


def fit(
    messages: Partition,
    start: Floats,
    *,
    l2: float,
    max_iterations: int,
    tolerance: float,
    on_iteration: OnIteration | None = None,
) -> Floats:
    """Gives the parameters that minimise `sum(weight * loss) + l2 / 2 * sum(weights ** 2)`; the bias is not penalised.

    Equal input gives equal bits, with any number of threads. What `on_iteration` raises ends the fit and passes on.
    """
    total = fixed_sum(messages.weights)
    penalty = l2 / total
    with ThreadPoolExecutor(max_workers=min(_PARTITIONS, os.cpu_count() or 1)) as threads:
        partitions = messages.split(_PARTITIONS)

        def objective(parameters: Floats) -> tuple[float, Floats]:
            parts = list(threads.map(lambda part: part.loss_and_gradient(parameters), partitions))
            loss, gradient = add(parts)
            gradient /= total
            gradient[:-1] += penalty * parameters[:-1]
            return loss / total + penalty / 2 * fixed_sum(parameters[:-1] ** 2), gradient

        curvature = np.append(_mean_squares(messages) + penalty / _TYPICAL_VARIANCE, 1.0) * _TYPICAL_VARIANCE
        return minimise(
            objective,
            start,
            1.0 / curvature[:, np.newaxis],
            max_iterations=max_iterations,
            tolerance=tolerance,
            on_iteration=on_iteration,
        )


def add(parts: Iterable[tuple[float, Floats]]) -> tuple[float, Floats]:
    """Adds losses and gradients of partitions, in the order given."""
    first_loss, first_gradient = next(iterator := iter(parts))
    loss, gradient = first_loss, first_gradient.copy()
    for part_loss, part_gradient in iterator:
        loss += part_loss
        gradient += part_gradient
    return loss, gradient


def minimise(
    objective: Objective,
    start: Floats,
    inverse_curvature: Floats,
    *,
    max_iterations: int,
    tolerance: float,
    on_iteration: OnIteration | None = None,
) -> Floats:
    """Gives the minimum of a smooth convex function, by L-BFGS from `start`.

    The two-loop recursion is Algorithm 7.4 of Nocedal and Wright, Numerical Optimization (2006), with a diagonal
    estimate of the inverse Hessian, scaled as in their (7.20), in the middle. It ends after `max_iterations`, or when
    the loss fell by less than `tolerance` of itself.
    """
    point = start
    loss, gradient = objective(point)
    history: deque[tuple[Floats, Floats, float]] = deque(maxlen=_HISTORY)
    for iteration in range(1, max_iterations + 1):
        direction = _direction(gradient, history, inverse_curvature)
        found = _search(objective, point, loss, gradient, direction)
        if found is None:
            break
        next_point, next_loss, next_gradient = found
        step, change = next_point - point, next_gradient - gradient
        product = dot(step, change)
        if product > 0.0:
            history.append((step, change, product))
        fell = loss - next_loss
        point, loss, gradient = next_point, next_loss, next_gradient
        if on_iteration is not None:
            on_iteration(iteration, loss)
        if fell <= tolerance * abs(loss):
            break
    return point


def _direction(gradient: Floats, history: Sequence[tuple[Floats, Floats, float]], inverse_curvature: Floats) -> Floats:
    direction = gradient.copy()
    shares = []
    for step, change, product in reversed(history):
        share = dot(step, direction) / product
        direction -= share * change
        shares.append(share)
    direction *= inverse_curvature
    if history:
        _, change, product = history[-1]
        direction *= product / dot(change, inverse_curvature * change)
    for (step, change, product), share in zip(history, reversed(shares), strict=True):
        direction += (share - dot(change, direction) / product) * step
    return -direction


def _search(
    objective: Objective, point: Floats, loss: float, gradient: Floats, direction: Floats
) -> tuple[Floats, float, Floats] | None:
    """Finds a step that satisfies the weak Wolfe conditions by bisection (Lewis and Overton, 2013).

    A step that was far too long is cut to the bottom of the parabola through what is known, instead of by half.

    Returns None where no step lowers the loss: the point is the minimum as far as float64 can tell.
    """
    slope = dot(gradient, direction)
    if slope >= 0.0:
        return None
    low, high, length = 0.0, np.inf, 1.0
    for _ in range(_LINE_SEARCH_STEPS):
        there = point + length * direction
        there_loss, there_gradient = objective(there)
        if not there_loss <= loss + _SUFFICIENT_DECREASE * length * slope:
            high = length
            parabola = -slope * length**2 / (2 * (there_loss - loss - slope * length))
            length = low + max(_SHORTEST_CUT * (high - low), min(parabola - low, (high - low) / 2))
        elif dot(there_gradient, direction) < _CURVATURE * slope:
            low = length
            length = (low + high) / 2 if np.isfinite(high) else 2 * low
        else:
            return there, there_loss, there_gradient
    return None


def _mean_squares(messages: Partition) -> Floats:
    squares = messages.features.copy()
    squares.data **= 2
    mean: Floats = (squares.T @ messages.weights) / fixed_sum(messages.weights)
    return mean
