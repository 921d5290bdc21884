"""The training service's HTTP side: start runs, follow them, get what they made."""

import hashlib
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import structlog
from flask import Response
from flask_openapi3 import APIBlueprint
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from services.training import artifacts, runs, store
from services.training.artifacts import MissingFileError, RunFolder
from services.training.documents import (
    EventsHeader,
    RunAnswer,
    RunBody,
    RunHeader,
    RunPath,
    RunsAnswer,
    RunsQuery,
)
from services.training.events import stream_events
from services.training.figures import Evaluation
from services.training.peers import SHORT_TIMEOUT, NotFoundError, PeerError, Peers
from services.training.runs import Run, RunHasEndedError, UnknownRunError
from services.training.schedules import LATEST, new_run
from services.training.settings import Settings
from shared.auth import Scope
from shared.database import DATABASE_ERRORS, kind_of, reading, writing
from shared.problems import Problem
from shared.web import BEARER, ErrorTable, decode_cursor, keep_trail, make_page, new_blueprint, principal, requires

ERRORS: Final[ErrorTable] = {
    UnknownRunError: ("unknown-run", "There is no such run", 404),
    RunHasEndedError: ("run-has-ended", "The run has ended", 409),
    MissingFileError: ("not-made-yet", "The run has not made this", 404),
}

READERS: Final = (Scope.TRAIN, Scope.PUBLISH)
"""Who may look at runs: those who start them, and those who decide on their releases."""

_REPORT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"

log = structlog.get_logger()


def new_training_blueprint(
    settings: Settings, engine: Engine, peers: Peers, enqueue: Callable[[str], None], now: Callable[[], datetime]
) -> APIBlueprint:
    """Makes the endpoints.

    Args:
        settings: where the runs' files are.
        engine: database of the runs.
        peers: asked whether a snapshot exists.
        enqueue: queues a run for a worker; may fail, because the worker finds runs that were not queued.
        now: gives the time.
    """
    blueprint = new_blueprint("training", __name__)
    _add_runs(blueprint, engine, peers, enqueue, now)
    _add_results(blueprint, engine, settings)
    return blueprint


def _add_runs(
    blueprint: APIBlueprint,
    engine: Engine,
    peers: Peers,
    enqueue: Callable[[str], None],
    now: Callable[[], datetime],
) -> None:
    @blueprint.post(
        "/runs", responses={202: RunAnswer, 200: RunAnswer}, security=BEARER, summary="Start a run on a snapshot"
    )
    @requires(Scope.TRAIN)
    def start_run(body: RunBody, header: RunHeader) -> tuple[dict[str, Any], int, dict[str, str]]:
        """Queues a run. The same body under the same Idempotency-Key gives the run that it gave before, with 200."""
        holder, key = principal().name, header.idempotency_key
        digest = hashlib.sha256(body.model_dump_json().encode()).hexdigest()
        known = _known_run(engine, holder, key, digest)
        if known is None:
            _refuse_unknown_snapshot(peers, body.snapshot)
            run = new_run(uuid.uuid4().hex, body.snapshot, body.recipe, holder, now())
            known = _add_run(engine, run, holder, key, digest)
            if known is None:
                log.info("run_asked_for", run_id=run.id)
                _enqueue(enqueue, run.id)
        started, status = (run, 202) if known is None else (known, 200)
        return started.document(), status, {"Location": f"runs/{started.id}"}

    @blueprint.get("/runs", responses={200: RunsAnswer}, security=BEARER, summary="List runs, the newest first")
    @requires(*READERS)
    def list_runs(query: RunsQuery) -> dict[str, Any]:
        """Gives runs of any state, or of one."""
        before = decode_cursor(query.cursor, (datetime, str))
        with reading(engine) as session:
            found = store.list_runs(session, query.limit + 1, (before[0], before[1]) if before else None, query.state)
        return make_page(found, query.limit, Run.document, lambda last: [last.created_at, last.id])

    @blueprint.get("/runs/<run_id>", responses={200: RunAnswer}, security=BEARER, summary="Show a run")
    @requires(*READERS)
    def show_run(path: RunPath) -> dict[str, Any]:
        """Says how far a run is, and how it ended."""
        with reading(engine) as session:
            return store.find_run(session, path.run_id).document()

    @blueprint.post("/runs/<run_id>/cancel", responses={200: RunAnswer}, security=BEARER, summary="Cancel a run")
    @requires(Scope.TRAIN)
    def cancel_run(path: RunPath) -> dict[str, Any]:
        """Ends a run that waits or runs; a fit ends within a second. A run that was cancelled already stays so."""
        with writing(engine) as session:
            return store.change_run(session, path.run_id, lambda run: runs.cancel(run, now())).document()


def _add_results(blueprint: APIBlueprint, engine: Engine, settings: Settings) -> None:
    def file_of(run_id: str, name: str) -> bytes:
        with reading(engine) as session:
            run = store.find_run(session, run_id)
        return RunFolder(settings.runs_url, run.id).read(name)

    @blueprint.get(
        "/runs/<run_id>/events",
        responses={
            200: {
                "description": "events `state`, `progress`, `log` and `end`",
                "content": {"text/event-stream": {"schema": {"type": "string"}}},
            },
            204: {"description": "the client has all events of a run that has ended"},
        },
        security=BEARER,
        summary="Follow a run (server-sent events)",
    )
    @requires(*READERS)
    def follow_run(path: RunPath, header: EventsHeader) -> Response:
        """Streams events until the run has ended. `Last-Event-ID` goes on behind the event that it names."""
        after = _event_number(header.last_event_id)
        with reading(engine) as session:
            run = store.find_run(session, path.run_id)
            last = store.last_event_number(session, run.id)
        if run.state.is_end and after >= last:
            return Response(status=204)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        stream = keep_trail(stream_events(engine, run.id, min(after, last)))
        return Response(stream, mimetype="text/event-stream", headers=headers)

    @blueprint.get(
        "/runs/<run_id>/report",
        responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
        security=BEARER,
        summary="Get the evaluation as a page with plots",
    )
    @requires(*READERS)
    def get_report(path: RunPath) -> Response:
        """Gives one HTML file that needs nothing else."""
        page = file_of(path.run_id, artifacts.REPORT)
        return Response(page, mimetype="text/html", headers={"Content-Security-Policy": _REPORT_POLICY})

    @blueprint.get(
        "/runs/<run_id>/evaluation", responses={200: Evaluation}, security=BEARER, summary="Get the evaluation"
    )
    @requires(*READERS)
    def get_evaluation(path: RunPath) -> Response:
        """Gives every figure that is known of the candidate."""
        return Response(file_of(path.run_id, artifacts.EVALUATION), mimetype="application/json")

    @blueprint.get(
        "/runs/<run_id>/model",
        responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
        security=BEARER,
        summary="Get the model",
    )
    @requires(*READERS, Scope.READ_SNAPSHOT)
    def get_model(path: RunPath) -> Response:
        """Gives model.onnx. Phones get theirs signed from the registry, not from here."""
        return Response(file_of(path.run_id, artifacts.MODEL), mimetype="application/octet-stream")


def _known_run(engine: Engine, holder: str, key: str | None, digest: str) -> Run | None:
    """Gives the run that the key stands for, or None.

    Raises:
        Problem: 409, if the key stands for another request.
    """
    if key is None:
        return None
    with reading(engine) as session:
        found = store.find_request(session, holder, key)
        if found is None:
            return None
        if found[0] != digest:
            detail = "Use a new Idempotency-Key for a new request."
            raise Problem("key-was-used", "The Idempotency-Key stands for another request", 409, detail)
        return store.find_run(session, found[1])


def _add_run(engine: Engine, run: Run, holder: str, key: str | None, digest: str) -> Run | None:
    """Stores a new run; gives the other one if a request with the same key was faster."""
    try:
        with writing(engine) as session:
            store.add_run(session, run)
            if key is not None:
                store.add_request(session, holder, key, digest, run.id)
    except IntegrityError:
        faster = _known_run(engine, holder, key, digest)
        if faster is None:
            raise
        return faster
    return None


def _enqueue(enqueue: Callable[[str], None], run_id: str) -> None:
    try:
        enqueue(run_id)
    except DATABASE_ERRORS as error:
        log.warning("run_not_queued_yet", run_id=run_id, kind=kind_of(error))  # the worker finds it


def _refuse_unknown_snapshot(peers: Peers, snapshot: str) -> None:
    """Refuses what ingestion surely does not have; if it does not answer, the run will find out.

    Raises:
        Problem: 422, if there is no such snapshot.
    """
    try:
        peers.ingestion.snapshot(snapshot, SHORT_TIMEOUT)
    except NotFoundError as error:
        hint = (
            "Freeze one first: POST /ingestion/v1/snapshots."
            if snapshot == LATEST
            else "GET /ingestion/v1/snapshots lists those that ingestion has."
        )
        raise Problem("unknown-snapshot", "There is no such snapshot", 422, hint) from error
    except PeerError as error:
        log.warning("snapshot_not_checked", why=type(error).__name__)


def _event_number(last_event_id: str | None) -> int:
    return (
        int(last_event_id) if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit() else 0
    )
