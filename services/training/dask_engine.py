"""Examples on a Dask cluster: its workers read the messages themselves, and send nothing but sums.

A worker that is lost takes its parts with it; the scheduler has others make them again, and the fit goes on. If the
scheduler is lost, all of it is, and whoever fits begins again. A scheduler trusts whoever reaches it, so it belongs in
a network that nobody else is in.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from mobile_model import regression
from mobile_model.classifier import HashedNgramClassifier
from mobile_model.packed_partition import PackedPartition
from mobile_model.portable_math import Floats
from mobile_model.regression import Sums, Together
from services.training.engines import OnMessages, PartScores, Tick, make_block
from services.training.failures import WorkerFailureError
from services.training.parts import MessagesFile, Part, blocks
from services.training.peers import PeerUnavailableError
from services.training.recipe import Recipe

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_SECONDS: Final = 5.0
TICK_SECONDS: Final = 0.5
RESULT_SECONDS: Final = 4.0
"""How long the way of one result may take, a megabyte or two; a worker that must end waits for it."""
CLOSE_SECONDS: Final = 2.0

_Same = TypeVar("_Same")
_Answer = TypeVar("_Answer")


class DaskEngine:
    """Holds the examples in the workers of a Dask cluster.

    Args:
        address: of the scheduler, such as `tcp://dask-scheduler:8786`.
        source: the messages, in a folder that the workers reach under the same address.
        recipe: what is made of them.
        on_messages: is told how far the making is.
        patience_seconds: how long a cluster may do nothing.

    Raises:
        PeerUnavailableError: if there is no cluster, or it is lost.
        WorkerFailureError: if Dask is not installed, here or there the same version of this code.
    """

    def __init__(
        self, address: str, source: MessagesFile, recipe: Recipe, on_messages: OnMessages, patience_seconds: float
    ) -> None:
        self.parts = source.training
        self._source = source
        self._patience_seconds = patience_seconds
        self._held: dict[int, Future[list[PackedPartition]]] = {}
        self._client = _connect(address)
        try:
            self._make(recipe, on_messages)
        except BaseException:
            self.close()
            raise

    def _make(self, recipe: Recipe, on_messages: OnMessages) -> None:
        code = _code(recipe)
        for part in self.parts:
            self._held[part.number] = self.submit(make_part, self._source, part, recipe, code)
        from distributed import wait  # noqa: PLC0415 - see `_connect`

        done, total = 0, sum(part.messages for part in self.parts)
        for part in self.parts:
            made = partial(wait, self._held[part.number], timeout=TICK_SECONDS)
            self._await(made, partial(on_messages, done, total))
            done += part.messages

    def sums(self, parts: Sequence[Part], tick: Tick) -> Sums:
        """See `FitEngine`."""
        return _DaskSums(self, [self._held[part.number] for part in parts], tick)

    def scores(self, parts: Sequence[Part], classifier: HashedNgramClassifier, tick: Tick) -> Iterator[PartScores]:
        """See `FitEngine`."""
        shared = self.submit(keep, classifier)
        yield from self.results([self.submit(judge_part, self._source, part, shared) for part in parts], tick)

    def close(self) -> None:
        """See `FitEngine`."""
        self._held.clear()
        self._client.close(timeout=CLOSE_SECONDS)

    def submit(self, work: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Has a worker do something; arguments that are futures stay where they are."""
        with _lost_is_unavailable():
            return self._client.submit(work, *arguments, pure=False)

    def results(self, futures: Sequence["Future[Any]"], tick: Tick) -> Iterator[Any]:
        """Gives results in the order of the futures, as they come.

        Raises:
            PeerUnavailableError: if the cluster is lost, or does nothing for too long.
        """
        from distributed import wait  # noqa: PLC0415 - see `_connect`

        for future in futures:
            self._await(partial(wait, future, timeout=TICK_SECONDS), tick)
            yield self._await(partial(future.result, timeout=RESULT_SECONDS), tick)

    def _await(self, ask: Callable[[], _Answer], tick: Tick) -> _Answer:
        """Asks until there is an answer; a `TimeoutError` says that there is none yet."""
        deadline_seconds = time.monotonic() + self._patience_seconds
        while True:
            tick()
            try:
                with _lost_is_unavailable(), self._client.as_current():
                    return ask()
            except TimeoutError:
                if time.monotonic() > deadline_seconds:
                    raise PeerUnavailableError("the Dask cluster does nothing; perhaps it has no workers") from None


@dataclass(frozen=True)
class _DaskSums:
    engine: DaskEngine
    held: "Sequence[Future[list[PackedPartition]]]"
    tick: Tick

    def loss_and_gradient(self, parameters: Floats) -> tuple[float, Floats]:
        shared = self.engine.submit(keep, parameters)
        return self._add([self.engine.submit(part_loss_and_gradient, part, shared) for part in self.held])

    def weight_and_squares(self) -> tuple[float, Floats]:
        return self._add([self.engine.submit(part_weight_and_squares, part) for part in self.held])

    def _add(self, futures: "Sequence[Future[tuple[float, Floats]]]") -> tuple[float, Floats]:
        return regression.add(self.engine.results(futures, self.tick))


def keep(value: _Same) -> _Same:
    """Puts a value into the cluster. As a task, it is made again when its worker is lost, which scattering is not."""
    return value


def make_part(source: MessagesFile, part: Part, recipe: Recipe, code: object) -> list[PackedPartition]:
    """Gives the examples of a part.

    Raises:
        WorkerFailureError: if this is not the code that the fit expects.
    """
    if _code(recipe) != code:
        raise WorkerFailureError("The Dask workers run another version of Quietline. Start them from the same image.")
    return [make_block(block, recipe, source.copies) for block in blocks(source.read(part))]


def part_loss_and_gradient(part: list[PackedPartition], parameters: Floats) -> tuple[float, Floats]:
    """Gives what `regression.Sums` does of a part."""
    return Together(part).loss_and_gradient(parameters)


def part_weight_and_squares(part: list[PackedPartition]) -> tuple[float, Floats]:
    """Gives what `regression.Sums` does of a part."""
    return Together(part).weight_and_squares()


def judge_part(source: MessagesFile, part: Part, classifier: HashedNgramClassifier) -> PartScores:
    """Gives how a classifier judges the messages of a part."""
    messages = source.read(part)
    probabilities = [classifier.predict_proba(block.texts) for block in blocks(messages)]
    return PartScores(messages.categories, messages.campaigns, np.concatenate(probabilities))


def _code(recipe: Recipe) -> object:
    """Gives what must be the same wherever examples are made."""
    return version("quietline"), recipe.digest, HashedNgramClassifier().features.metadata()


def _connect(address: str) -> "Client":
    try:
        import dask  # noqa: PLC0415 - an extra, which takes a second to load and only such a run needs

        dask.config.set({"logging": {"distributed": "critical"}})  # what it has to say comes as an exception too
        from distributed import Client  # noqa: PLC0415 - reads its settings when it is loaded
    except ImportError as error:
        raise WorkerFailureError(
            "This training worker was installed without Dask: install quietline with the extra `scale`."
        ) from error
    try:
        return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except OSError as error:
        raise PeerUnavailableError("the Dask scheduler does not answer") from error


@contextmanager
def _lost_is_unavailable() -> Iterator[None]:
    """Turns what Dask raises when something of the cluster is lost into our word for it.

    A plain `TimeoutError`, which is an `OSError` too, passes: it only says that there is nothing yet.
    """
    from distributed import KilledWorker  # noqa: PLC0415 - see `_connect`
    from distributed.client import ClosedClientError  # noqa: PLC0415
    from distributed.comm import CommClosedError  # noqa: PLC0415

    try:
        yield
    except (KilledWorker, ClosedClientError, CancelledError, CommClosedError) as error:
        raise PeerUnavailableError(f"the Dask cluster is lost ({type(error).__name__})") from error
