"""Multinomial logistic regression that ends with the same bits on every processor.

The usual optimisers leave their sums to BLAS, which rounds differently from one processor to the next; after some
iterations that moves weights across a rounding edge, and a release can no longer be rebuilt byte for byte. (scipy's
L-BFGS-B was tried: the weights of one byte change with the processor.) Everything here is `portable_math` and products
of a sparse matrix, whose order is that of its entries.

All that a fit asks of the messages is sums over them, so these can be taken anywhere and added: see `Sums`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mobile_model.portable_math import Floats, dot, exp, fixed_sum, log

OnIteration = Callable[[int, float], None]
Objective = Callable[[Floats], tuple[float, Floats]]

_HISTORY: Final = 8
_SUFFICIENT_DECREASE: Final = 1e-4
_CURVATURE: Final = 0.9
_LINE_SEARCH_STEPS: Final = 30
_SHORTEST_CUT: Final = 0.02
_TYPICAL_VARIANCE: Final = 0.12
"""Of one class indicator, p (1 - p), with seven classes."""


class Sums(Protocol):
    """Messages that may lie anywhere; each sum is taken in a fixed order."""

    def loss_and_gradient(self, parameters: Floats) -> tuple[float, Floats]:
        """Gives the summed loss and its gradient by the parameters, both without the penalty.

        `parameters` is float64[buckets + 1, categories]; the last row is the bias.
        """
        ...

    def weight_and_squares(self) -> tuple[float, Floats]:
        """Gives the summed weight, and float64[buckets]: of each bucket, the summed weighted squares of its feature."""
        ...


@dataclass(frozen=True)
class Partition:
    """Some messages: rows of features, the column of the right category of each, and what each weighs.

    The feature is what `features` holds, divided by the row's divisor: one number, or float64[messages, 1].
    """

    features: csr_matrix
    labels: NDArray[np.int64]
    weights: Floats
    divisors: Floats | float = 1.0

    def loss_and_gradient(self, parameters: Floats) -> tuple[float, Floats]:
        """See `Sums`."""
        scores = self.features @ parameters[:-1]
        scores /= self.divisors
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
        gradient[-1] = odds.sum(axis=0)
        odds /= self.divisors
        gradient[:-1] = self.features.T @ odds
        return loss, gradient

    def weight_and_squares(self) -> tuple[float, Floats]:
        """See `Sums`."""
        squares = self.features.copy()
        squares.data **= 2
        weights = self.weights[:, np.newaxis] / self.divisors**2
        return fixed_sum(self.weights), (squares.T @ weights)[:, 0]

    def split(self, parts: int) -> list["Partition"]:
        """Cuts into runs of rows with about the same number of entries each."""
        marks = np.arange(1, parts) * (self.features.nnz / parts)
        cuts = [0, *np.searchsorted(self.features.indptr[1:], marks), len(self.labels)]
        divisors = np.broadcast_to(self.divisors, (len(self.labels), 1))
        return [
            Partition(self.features[rows], self.labels[rows], self.weights[rows], divisors[rows])
            for rows in (slice(first, last) for first, last in pairwise(cuts))
        ]


@dataclass(frozen=True)
class Together:
    """Sums over several, added in their order.

    Args:
        parts: what is added.
        each: `map`, or that of an executor.
    """

    parts: Sequence[Sums]
    each: Callable[..., Iterable[Any]] = map

    def loss_and_gradient(self, parameters: Floats) -> tuple[float, Floats]:
        """See `Sums`."""
        return add(self.each(lambda part: part.loss_and_gradient(parameters), self.parts))

    def weight_and_squares(self) -> tuple[float, Floats]:
        """See `Sums`."""
        return add(self.each(lambda part: part.weight_and_squares(), self.parts))


def fit(
    messages: Sums,
    start: Floats,
    *,
    l2: float,
    max_iterations: int,
    tolerance: float,
    on_iteration: OnIteration | None = None,
) -> Floats:
    """Gives the parameters that minimise `sum(weight * loss) + l2 / 2 * sum(weights ** 2)`; the bias is not penalised.

    Equal sums give equal bits. What `on_iteration` raises ends the fit and passes on.
    """
    total, squares = messages.weight_and_squares()
    penalty = l2 / total

    def objective(parameters: Floats) -> tuple[float, Floats]:
        loss, gradient = messages.loss_and_gradient(parameters)
        gradient /= total
        gradient[:-1] += penalty * parameters[:-1]
        return loss / total + penalty / 2 * fixed_sum(parameters[:-1] ** 2), gradient

    curvature = np.append(squares / total + penalty / _TYPICAL_VARIANCE, 1.0) * _TYPICAL_VARIANCE
    return minimise(
        objective,
        start,
        1.0 / curvature[:, np.newaxis],
        max_iterations=max_iterations,
        tolerance=tolerance,
        on_iteration=on_iteration,
    )


def add(parts: Iterable[tuple[float, Floats]]) -> tuple[float, Floats]:
    """Adds what `Sums` give, in the order given, as it comes."""
    first, first_values = next(iterator := iter(parts))
    total, values = first, first_values.copy()
    for part, part_values in iterator:
        total += part
        values += part_values
    return total, values


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
