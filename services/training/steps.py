"""What each step of a run does. It reads and writes files of the run, so that doing it again changes nothing."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from random import Random
from threading import Event
from typing import Any, Final, TypeVar

import pyarrow as pa
from pydantic import TypeAdapter
from sqlalchemy import Engine

from mobile_model.scorer import ModelError
from services.training import artifacts, runs, store
from services.training.artifacts import MissingFileError, RunFolder
from services.training.calibration import Calibration, calibrate
from services.training.candidates import make_candidate, packed, with_figures
from services.training.dataset import read_snapshot, refuse_if_unusable
from services.training.engine_room import EngineRoom
from services.training.engines import FitEngine
from services.training.evaluation import Release, evaluate
from services.training.failures import PeerFailureError, StorageFullError, UnknownSnapshotError, WorkerFailureError
from services.training.fitting import cross_fit, fit, weights_from_bytes, weights_to_bytes
from services.training.parts import MessagesFile, arrange, text_array
from services.training.patience import Patience, Tries
from services.training.peers import NotFoundError, PeerRefusedError, Peers, PeerUnavailableError, Snapshot
from services.training.recipe import Recipe
from services.training.report import render_report
from services.training.runs import Ending, Run, RunHasEndedError, State, Step
from services.training.schedules import LATEST
from services.training.settings import Settings
from services.training.watch import Watch
from shared.database import is_storage_full, reading, writing
from shared.release_card import Evidence, ReleaseCard

Outcome = dict[str, Any]
"""How a run ended, as DBOS keeps it: `state`, and `release`, `reasons` or `ending`."""

MOST_LOST: Final = 5
"""So often a step is begun again after its cluster was lost in the middle."""

_Answer = TypeVar("_Answer")
_CALIBRATION: Final = TypeAdapter(Calibration)


@dataclass(frozen=True)
class Steps:
    """The steps of runs, and what they work with.

    Args:
        settings: where files go and which channel is in service.
        engine: database of the runs.
        peers: ingestion and registry.
        stop: set when the worker must end.
        now: gives the time.
        patience: how long to wait for a peer.
        random: jitter of the waiting; no result depends on it.
        clock: seconds that only grow.
    """

    settings: Settings
    engine: Engine
    peers: Peers
    stop: Event
    now: Callable[[], datetime]
    patience: Patience = field(default_factory=Patience)
    random: Random = field(default_factory=Random)
    clock: Callable[[], float] = time.monotonic
    engines: EngineRoom = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "engines", EngineRoom(self.settings))

    def begin(self, run_id: str) -> None:
        """Says that a worker has the run.

        Raises:
            RunHasEndedError: if it was cancelled while it waited.
        """
        with writing(self.engine) as session:
            store.change_run(session, run_id, runs.start)

    def read(self, run_id: str) -> dict[str, str]:
        """Downloads the snapshot, checks it and fills its slots; gives its id and digest.

        Raises:
            RunFailure: if there is no such snapshot, or nothing to learn from it.
        """
        with self._doing(run_id, Step.READ) as (run, folder, watch):
            ingestion = self.peers.ingestion
            snapshot = self._patiently(watch, lambda: _find_snapshot(ingestion.snapshot, run.snapshot))
            with writing(self.engine) as session:
                store.change_run(session, run_id, lambda run: runs.name_snapshot(run, snapshot.id))
            watch(1, 3, "downloading the snapshot")
            parquet = self._patiently(watch, lambda: ingestion.download(snapshot))
            watch(2, 3, "filling slots")
            table = read_snapshot(parquet, snapshot.digest)
            held_out = table["held_out"].to_numpy()
            refuse_if_unusable(text_array(table["category"]), held_out)
            folder.write(artifacts.MESSAGES, arrange(table, _recipe(run)).to_parquet())
            watch.say(f"{len(table)} messages, {held_out.sum()} of them held out")
            del parquet, table
            pa.default_memory_pool().release_unused()  # of a million messages it keeps nearly a gigabyte
            return {"id": snapshot.id, "digest": snapshot.digest}

    def fit(self, run_id: str) -> None:
        """Fits the classifier on all messages that are not held out."""
        with self._doing(run_id, Step.FIT) as (run, folder, watch):
            recipe = _recipe(run)
            classifier = self._with_engine(run, folder, watch, lambda engine: fit(engine, recipe, watch))
            folder.write(artifacts.WEIGHTS, weights_to_bytes(classifier))

    def calibrate(self, run_id: str) -> None:
        """Chooses thresholds from cross-fitted scores."""
        with self._doing(run_id, Step.CALIBRATE) as (run, folder, watch):
            recipe = _recipe(run)
            scores = self._with_engine(run, folder, watch, lambda engine: cross_fit(engine, recipe, watch))
            self.engines.close()
            folder.write(artifacts.THRESHOLDS, _CALIBRATION.dump_json(calibrate(scores, recipe)))

    def export(self, run_id: str, data_digest: str) -> None:
        """Writes the graph and a card without figures."""
        with self._doing(run_id, Step.EXPORT) as (run, folder, _):
            recipe = _recipe(run)
            candidate = make_candidate(
                weights_from_bytes(folder.read(artifacts.WEIGHTS), recipe),
                _CALIBRATION.validate_json(folder.read(artifacts.THRESHOLDS)),
                recipe,
                run_id=run_id,
                created_at=run.created_at,
                data_digest=data_digest,
            )
            folder.write(artifacts.MODEL, candidate.model)
            folder.write(artifacts.CARD, candidate.card.to_json())

    def evaluate(self, run_id: str) -> None:
        """Judges the graph on held-out messages, beside the release in service; the card gets the figures."""
        with self._doing(run_id, Step.EVALUATE) as (run, folder, watch):
            recipe = _recipe(run)
            reference = self._release_in_service(watch)
            candidate = _candidate(folder)
            classifier = weights_from_bytes(folder.read(artifacts.WEIGHTS), recipe)
            messages = MessagesFile.find(folder)
            trained_on = sum(part.messages for part in messages.training)
            held_out = messages.held_out()
            try:
                evaluation = evaluate(
                    candidate, reference, held_out, recipe, watch, trained_on=trained_on, classifier=classifier
                )
            except ModelError as error:
                raise WorkerFailureError(
                    f"The release in service or the candidate cannot be run here: {error}"
                ) from error
            folder.write(artifacts.EVALUATION, evaluation.to_json())
            folder.write(artifacts.EVIDENCE, evaluation.evidence.model_dump_json(indent=1).encode())
            folder.write(artifacts.CARD, with_figures(candidate, evaluation).card.to_json())
            watch(1, 2, "drawing the report")
            folder.write(artifacts.REPORT, render_report(evaluation, watch))

    def submit(self, run_id: str) -> Outcome:
        """Hands the candidate to the registry, and gives what its gate says."""
        with self._doing(run_id, Step.SUBMIT) as (_, folder, watch):
            candidate = _candidate(folder)
            evidence = Evidence.model_validate_json(folder.read(artifacts.EVIDENCE))
            package = packed(candidate.model)
            submission = self._patiently(watch, lambda: self.peers.registry.submit(candidate.card, evidence, package))
            if submission.accepted:
                return {"state": State.SUCCEEDED.value, "release": submission.version}
            return {"state": State.REFUSED.value, "reasons": list(submission.reasons)}

    def finish(self, run_id: str, outcome: Outcome) -> None:
        """Writes down how the run ended, and removes what only the run needed."""
        write_outcome(self.engine, run_id, outcome, self.now())
        RunFolder(self.settings.runs_url, run_id).remove(*artifacts.WORKING_FILES)

    @contextmanager
    def _doing(self, run_id: str, step: Step) -> Iterator[tuple[Run, RunFolder, Watch]]:
        watch = Watch(self.engine, run_id, step, self.stop)
        watch.begin()
        with reading(self.engine) as session:
            run = store.find_run(session, run_id)
        try:
            yield run, RunFolder(self.settings.runs_url, run_id), watch
        except MissingFileError as error:
            raise WorkerFailureError(f"{error}; its files were removed. Start another run.") from error
        except OSError as error:
            if not is_storage_full(error):
                raise
            raise StorageFullError("Free some space where runs are kept, then start another run.") from error
        watch.end()

    def _with_engine(self, run: Run, folder: RunFolder, watch: Watch, work: Callable[[FitEngine], _Answer]) -> _Answer:
        """Does something with the examples of a run, and again from the start when they are lost in the middle.

        Raises:
            PeerFailureError: if they are lost too often, or their cluster does not answer.
        """
        source, recipe = MessagesFile.find(folder), _recipe(run)
        lost = 0
        while True:
            self._patiently(watch, lambda: self.engines.start(run.id, source, recipe, watch))
            try:
                with self.engines.engine(run.id) as engine:
                    return work(engine)
            except PeerUnavailableError as error:
                lost += 1
                if lost == MOST_LOST:
                    raise PeerFailureError(f"{error}, {lost} times. Start another run.") from error
                watch.say(f"{error}; beginning this step again")

    def _patiently(self, watch: Watch, ask: Callable[[], _Answer]) -> _Answer:
        """Asks a peer until it answers or the patience is used up.

        Raises:
            PeerFailureError: if it does not answer, or refuses.
        """
        tries = Tries(self.patience, self.random, self.clock)
        while True:
            try:
                return ask()
            except PeerRefusedError as error:
                raise PeerFailureError(f"{error}.") from error
            except PeerUnavailableError as error:
                pause = tries.pause(error.asked_seconds)
                if pause is None:
                    raise PeerFailureError(
                        f"{error}, for {self.patience.seconds:.0f} s. Start another run when it answers again."
                    ) from error
                watch.wait(pause, f"{error}; trying again")

    def _release_in_service(self, watch: Watch) -> Release | None:
        registry = self.peers.registry
        version = self._patiently(watch, lambda: registry.release_in_service(self.settings.channel))
        if version is None:
            return None
        card = self._patiently(watch, lambda: registry.card(version))
        model = self._patiently(watch, lambda: registry.model(version))
        if f"sha256:{sha256(model).hexdigest()}" != card.model.sha256:
            raise PeerFailureError(f"What the registry sent as the model of {version} is not what its card names.")
        return Release(model, card)


def write_outcome(engine: Engine, run_id: str, outcome: Outcome, at: datetime) -> None:
    """Writes down how a run ended; an end that it has already stays."""

    def move(run: Run) -> Run:
        match State(outcome["state"]):
            case State.SUCCEEDED:
                return runs.succeed(run, outcome["release"], at)
            case State.REFUSED:
                return runs.refuse(run, outcome["reasons"], at)
            case State.CANCELLED:
                return runs.cancel(run, at)
            case _:
                return runs.fail(run, Ending(**outcome["ending"]), at)

    try:
        with writing(engine) as session:
            store.change_run(session, run_id, move)
    except RunHasEndedError:
        return


def failed(ending: Ending) -> Outcome:
    """Gives the outcome of a run that failed."""
    return {
        "state": State.FAILED.value,
        "ending": {"word": ending.word, "title": ending.title, "detail": ending.detail},
    }


def _find_snapshot(find: Callable[[str], Snapshot], wanted: str) -> Snapshot:
    try:
        return find(wanted)
    except NotFoundError as error:
        raise UnknownSnapshotError(
            "Ingestion has no snapshot yet. Freeze one first: POST /ingestion/v1/snapshots."
            if wanted == LATEST
            else "Ingestion has no snapshot with this id. GET /ingestion/v1/snapshots lists those that it has."
        ) from error


def _recipe(run: Run) -> Recipe:
    return Recipe.from_document(run.recipe)


def _candidate(folder: RunFolder) -> Release:
    return Release(folder.read(artifacts.MODEL), ReleaseCard.from_json(folder.read(artifacts.CARD)))
