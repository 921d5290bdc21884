"""The fit of a release, and the cross-fit that its thresholds come from."""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mobile_model.classifier import HashedNgramClassifier, quantize
from services.training.calibration import CrossFittedScores
from services.training.dataset import Messages, stable_fraction
from services.training.examples import Examples, make_examples
from services.training.failures import UnusableSnapshotError
from services.training.recipe import Recipe
from shared.categories import HARASSMENT, Category

OnProgress = Callable[[int, int, str | None], None]
"""Is told (done, total, note) at least every second; what it raises ends the work."""


def examples_of(training: Messages, recipe: Recipe, on_progress: OnProgress) -> Examples:
    """Gives what both fits are shown. Making them takes about as long as a fit, so they are made once for both."""

    def report(done: int, messages: int) -> None:
        on_progress(0, 1, f"disguised copies of {done} of {messages} messages")

    return make_examples(training, recipe, HashedNgramClassifier().features, report)


def fit(examples: Examples, recipe: Recipe, on_progress: OnProgress) -> HashedNgramClassifier:
    """Fits the classifier of a release: equal examples and recipe give equal bits, on any processor."""
    return _fit(examples, recipe, recipe.iterations, lambda done, loss: on_progress(done, recipe.iterations, loss))


def cross_fit(training: Messages, examples: Examples, recipe: Recipe, on_progress: OnProgress) -> CrossFittedScores:
    """Scores each message with a classifier that saw no message of its campaign, as the graph would.

    Args:
        training: the messages.
        examples: what was made of them.
        recipe: the number of parts, and of iterations.
        on_progress: is told how far it is.

    Raises:
        UnusableSnapshotError: if all messages fall into one part.
    """
    fold = folds(training, recipe)
    numbers = np.unique(fold).tolist()
    if len(numbers) < 2:  # noqa: PLR2004 - one part to learn from and one to score
        raise UnusableSnapshotError(
            "There are too few campaigns to set some aside and choose thresholds on them; add different messages."
        )
    total = len(numbers) * recipe.fold_iterations
    probabilities = np.zeros((len(training), len(Category)), dtype=np.float32)
    for place, number in enumerate(numbers):
        before = place * recipe.fold_iterations

        def report(done: int, loss: str, before: int = before, number: int = number) -> None:
            on_progress(before + done, total, f"part {number + 1} of {len(numbers)}, {loss}")

        classifier = _fit(examples.of(fold != number), recipe, recipe.fold_iterations, report)
        left_out = fold == number
        probabilities[left_out] = classifier.predict_proba(training.where(left_out).texts)
    names = np.array([category.value for category in Category])
    harassment = [list(Category).index(category) for category in HARASSMENT]
    return CrossFittedScores(
        training.categories,
        training.campaigns,
        names[probabilities.argmax(axis=1)],
        probabilities[:, harassment].sum(axis=1, dtype=np.float64),
    )


def folds(training: Messages, recipe: Recipe) -> NDArray[np.int64]:
    """Gives the number of the part that each message is in: a stable choice for each campaign, from 0 without gaps."""
    wished = [int(stable_fraction(recipe.seed, "fold", campaign) * recipe.folds) for campaign in training.campaigns]
    _, fold = np.unique(np.array(wished, dtype=np.int64), return_inverse=True)
    numbers: NDArray[np.int64] = fold.astype(np.int64)
    return numbers


def weights_to_bytes(classifier: HashedNgramClassifier) -> bytes:
    """Keeps what a fit found."""
    target = io.BytesIO()
    np.savez(target, weights=classifier.coef_, bias=classifier.intercept_)
    return target.getvalue()


def weights_from_bytes(content: bytes, recipe: Recipe) -> HashedNgramClassifier:
    """Gives the fitted classifier back."""
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        classifier = HashedNgramClassifier(l2=recipe.l2, max_iterations=recipe.iterations)
        classifier.classes_ = np.array([category.value for category in Category])
        classifier.coef_, classifier.intercept_ = found["weights"], found["bias"]
        classifier.quantized_ = quantize(classifier.coef_, classifier.intercept_)
    return classifier


def _fit(
    examples: Examples, recipe: Recipe, iterations: int, on_iteration: Callable[[int, str], None]
) -> HashedNgramClassifier:
    classifier = HashedNgramClassifier(l2=recipe.l2, max_iterations=iterations)
    return classifier.fit_matrix(
        examples.rows,
        examples.categories.tolist(),
        examples.weights,
        on_iteration=lambda iteration, loss: on_iteration(min(iteration, iterations), f"loss {loss:.4f}"),
    )
