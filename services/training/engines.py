"""Where the examples of a run lie while a classifier is fitted to them: in this process, or on a Dask cluster.

Both engines make the same blocks of the same messages and add the same sums in the same order, part by part, so that
equal messages and recipe give equal bits on either.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mobile_model import regression
from mobile_model.classifier import HashedNgramClassifier, columns_of
from mobile_model.packed_partition import PackedPartition
from mobile_model.portable_math import Floats
from mobile_model.regression import Partition, Sums
from services.training.dataset import Messages
from services.training.examples import make_examples
from services.training.parts import Part, Parted, blocks
from services.training.recipe import Recipe

OnMessages = Callable[[int, int], None]
"""Is told (messages done, messages in all); what it raises ends the work."""
Tick = Callable[[], None]
"""Is called about every second of any work; what it raises ends the work."""

_Item = TypeVar("_Item")


@dataclass(frozen=True)
class PartScores:
    """How a classifier judged a part: what its messages are, their campaigns, and float32[messages, categories]."""

    categories: NDArray[np.str_]
    campaigns: Sequence[str]
    probabilities: NDArray[np.float32] = field(repr=False)


class FitEngine(Protocol):
    """Holds the examples of a run's training parts, and asks many of them the same."""

    @property
    def parts(self) -> Sequence[Part]:
        """The parts that it holds."""
        ...

    def sums(self, parts: Sequence[Part], tick: Tick) -> Sums:
        """Gives the examples of some parts, as far as a fit asks for them."""
        ...

    def scores(self, parts: Sequence[Part], classifier: HashedNgramClassifier, tick: Tick) -> Iterator[PartScores]:
        """Gives how a classifier judges the messages of each part, as the graph would, in the order of the parts."""
        ...

    def close(self) -> None:
        """Lets go of the examples."""
        ...


def make_block(messages: Messages, recipe: Recipe, copies: float) -> PackedPartition:
    """Gives the examples that a recipe makes of a block, with a share of its copies."""
    examples = make_examples(messages, recipe.thinned(copies), HashedNgramClassifier().features)
    labels = columns_of(examples.categories.tolist())
    return PackedPartition.pack(Partition(examples.rows, labels, examples.weights))


class LocalEngine:
    """Holds the examples in this process, and works on them with a thread for each processor.

    Args:
        source: the messages.
        recipe: what is made of them.
        on_messages: is told how far the making is.
    """

    def __init__(self, source: Parted, recipe: Recipe, on_messages: OnMessages) -> None:
        self.parts = source.training
        self._source = source
        self._held: dict[int, list[PackedPartition]] = {}
        done, total = 0, sum(part.messages for part in self.parts)
        with _threads() as threads:
            for part in self.parts:
                made = threads.map(partial(make_block, recipe=recipe, copies=source.copies), blocks(source.read(part)))
                self._held[part.number] = list(_ticking(made, partial(on_messages, done, total)))
                done += part.messages

    def sums(self, parts: Sequence[Part], tick: Tick) -> Sums:
        """See `FitEngine`."""
        return _LocalSums([self._held[part.number] for part in parts], tick)

    def scores(self, parts: Sequence[Part], classifier: HashedNgramClassifier, tick: Tick) -> Iterator[PartScores]:
        """See `FitEngine`."""
        with _threads() as threads:
            for part in parts:
                messages = self._source.read(part)
                judged = threads.map(lambda block: classifier.predict_proba(block.texts), blocks(messages))
                yield PartScores(messages.categories, messages.campaigns, np.concatenate([*_ticking(judged, tick)]))

    def close(self) -> None:
        """See `FitEngine`."""
        self._held.clear()


@dataclass(frozen=True)
class _LocalSums:
    parts: Sequence[Sequence[PackedPartition]]
    tick: Tick

    def loss_and_gradient(self, parameters: Floats) -> tuple[float, Floats]:
        return self._add(lambda block: block.loss_and_gradient(parameters))

    def weight_and_squares(self) -> tuple[float, Floats]:
        return self._add(PackedPartition.weight_and_squares)

    def _add(self, ask: Callable[[PackedPartition], tuple[float, Floats]]) -> tuple[float, Floats]:
        with _threads() as threads:
            answers = _ticking(threads.map(ask, (block for part in self.parts for block in part)), self.tick)
            return regression.add(regression.add(islice(answers, len(part))) for part in self.parts)


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Gives threads; when something is raised, what was not begun is never begun."""
    threads = ThreadPoolExecutor(max_workers=os.cpu_count())
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)


def _ticking(items: Iterable[_Item], tick: Tick) -> Iterator[_Item]:
    for item in items:
        tick()
        yield item
