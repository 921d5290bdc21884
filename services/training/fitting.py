"""The fit of a release, and the cross-fit that its thresholds come from."""

import io
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from mobile_model.classifier import HashedNgramClassifier, quantize
from services.training.calibration import CrossFittedScores
from services.training.dataset import Messages
from services.training.engines import FitEngine, LocalEngine, OnMessages, PartScores
from services.training.failures import UnusableSnapshotError
from services.training.parts import Part, Parted, arrange
from services.training.recipe import Recipe
from shared.categories import HARASSMENT, Category

OnProgress = Callable[[int, int, str | None], None]
"""Is told (done, total, note) at least every second; what it raises ends the work."""


def local_engine(source: Parted, recipe: Recipe, on_progress: OnProgress) -> FitEngine:
    """Gives an engine of this process that holds what both fits are shown: making it takes about as long as a fit."""
    return LocalEngine(source, recipe, telling_copies(on_progress))


def telling_copies(on_progress: OnProgress) -> OnMessages:
    """Gives what an engine tells how far it is with making the examples."""
    return lambda done, messages: on_progress(0, 1, f"disguised copies of {done} of {messages} messages")


def fit(engine: FitEngine, recipe: Recipe, on_progress: OnProgress) -> HashedNgramClassifier:
    """Fits the classifier of a release: equal messages and recipe give equal bits, on any processor."""
    return _fit(engine, engine.parts, recipe, recipe.iterations, _Told(on_progress))


def cross_fit(engine: FitEngine, recipe: Recipe, on_progress: OnProgress) -> CrossFittedScores:
    """Scores each message with a classifier that saw no message of its campaign, as the graph would.

    Args:
        engine: holds the examples; the scores are in the order of its parts.
        recipe: the number of iterations.
        on_progress: is told how far it is.

    Raises:
        UnusableSnapshotError: if all messages fall into one fold.
    """
    folds = sorted({part.fold for part in engine.parts if part.fold is not None})
    if len(folds) < 2:  # noqa: PLR2004 - one fold to learn from and one to score
        raise UnusableSnapshotError(
            "There are too few campaigns to set some aside and choose thresholds on them; add different messages."
        )
    scores: dict[int, PartScores] = {}
    for place, fold in enumerate(folds):
        told = _Told(on_progress, place, len(folds), f"fold {place + 1} of {len(folds)}, ")
        others = [part for part in engine.parts if part.fold != fold]
        classifier = _fit(engine, others, recipe, recipe.fold_iterations, told)
        left_out = [part for part in engine.parts if part.fold == fold]
        judged = engine.scores(left_out, classifier, told.again)
        scores |= {part.number: found for part, found in zip(left_out, judged, strict=True)}
    found = [scores[part.number] for part in engine.parts]
    return _judged(
        np.concatenate([part.categories for part in found]),
        [campaign for part in found for campaign in part.campaigns],
        np.concatenate([part.probabilities for part in found]),
    )


def _judged(
    categories: NDArray[np.str_], campaigns: Sequence[str], probabilities: NDArray[np.float32]
) -> CrossFittedScores:
    names = np.array([category.value for category in Category])
    harassment = [list(Category).index(category) for category in HARASSMENT]
    return CrossFittedScores(
        categories,
        campaigns,
        names[probabilities.argmax(axis=1)],
        probabilities[:, harassment].sum(axis=1, dtype=np.float64),
    )


def score_unseen(messages: Messages, recipe: Recipe, on_progress: OnProgress) -> CrossFittedScores:
    """Gives the scores of `cross_fit` for messages in memory, in their own order.

    Raises:
        UnusableSnapshotError: if all messages fall into one fold.
    """
    arrangement = arrange(messages.to_table(), recipe)
    scores = cross_fit(local_engine(arrangement, recipe, on_progress), recipe, on_progress)
    places = np.argsort(arrangement.order)
    return CrossFittedScores(messages.categories, messages.campaigns, scores.judged[places], scores.harassment[places])


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


class _Told:
    """Tells how far a fit is, and tells it again as often as is wanted, so that a fit can be ended at any time.

    Args:
        on_progress: is told.
        before: fits that are done already.
        fits: how many there are in all.
        words: what the notes begin with.
    """

    def __init__(self, on_progress: OnProgress, before: int = 0, fits: int = 1, words: str = "") -> None:
        self._on_progress = on_progress
        self._before, self._fits, self._words = before, fits, words
        self._last: tuple[int, int, str | None] = (before, fits, None)

    def __call__(self, iteration: int, iterations: int, loss: float) -> None:
        """Says that an iteration is done."""
        done = self._before * iterations + min(iteration, iterations)
        self._last = (done, self._fits * iterations, f"{self._words}loss {loss:.4f}")
        self.again()

    def again(self) -> None:
        """Says the same again."""
        self._on_progress(*self._last)


def _fit(
    engine: FitEngine, parts: Sequence[Part], recipe: Recipe, iterations: int, told: _Told
) -> HashedNgramClassifier:
    classifier = HashedNgramClassifier(l2=recipe.l2, max_iterations=iterations)
    sums = engine.sums(parts, told.again)
    return classifier.fit_sums(sums, lambda iteration, loss: told(iteration, iterations, loss))
