"""Holds the engine of the run that a worker has, from its fit to its thresholds, so that examples are made once."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from services.training.engines import FitEngine
from services.training.failures import WorkerFailureError
from services.training.fitting import OnProgress, local_engine, telling_copies
from services.training.parts import MessagesFile
from services.training.recipe import Recipe
from services.training.settings import Settings


@dataclass
class EngineRoom:
    """At most one engine.

    Args:
        settings: where the cluster is.
    """

    settings: Settings
    _engines: dict[str, FitEngine] = field(default_factory=dict)

    def start(self, run_id: str, source: MessagesFile, recipe: Recipe, on_progress: OnProgress) -> None:
        """Starts the engine that the recipe asks for, unless it is there already; that of another run is let go.

        Raises:
            PeerUnavailableError: if a cluster is wanted that does not answer.
            WorkerFailureError: if a cluster is wanted and there is none.
        """
        if run_id not in self._engines:
            self.close()
            self._engines[run_id] = self._new_engine(source, recipe, on_progress)

    @contextmanager
    def engine(self, run_id: str) -> Iterator[FitEngine]:
        """Gives the engine that was started. Whoever leaves it with an error leaves none behind."""
        with ExitStack() as unless_done:
            unless_done.callback(self.close)
            yield self._engines[run_id]
            unless_done.pop_all()

    def close(self) -> None:
        """Lets go of the examples."""
        while self._engines:
            self._engines.popitem()[1].close()

    def _new_engine(self, source: MessagesFile, recipe: Recipe, on_progress: OnProgress) -> FitEngine:
        if recipe.engine == "local":
            return local_engine(source, recipe, on_progress)
        from services.training.dask_engine import DaskEngine  # noqa: PLC0415 - an extra that few have

        address = self.settings.dask_scheduler
        if address is None:
            raise WorkerFailureError(
                "The recipe wants a Dask cluster, and QUIETLINE_TRAINING_DASK_SCHEDULER names none."
            )
        return DaskEngine(address, source, recipe, telling_copies(on_progress), self.settings.patience_seconds)
