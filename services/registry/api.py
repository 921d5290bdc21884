"""HTTP in and out of the registry."""

from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import Any, Final

import structlog
from flask import Response
from flask_openapi3 import APIBlueprint
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.registry import documents, operations, store
from services.registry.blobs import BlobError, ModelBlobs
from services.registry.gate import ModelMismatchError, verify_model
from services.registry.metadata import KeyOfflineError, RepositoryError
from services.registry.operations import Actor
from services.registry.publishing import NotYetPublishedError, Publisher, channel_file
from services.registry.releases import (
    AlreadyInServiceError,
    Channel,
    DifferentCandidateError,
    NeverAcceptedError,
    NothingToRollBackError,
    NotPromotableError,
    ReleaseState,
    UnknownChannelError,
    UnknownReleaseError,
)
from services.registry.signing import SigningKeyError
from services.registry.submissions import MAX_SUBMISSION_BYTES, Submission, read_submission
from shared.auth import Scope
from shared.database import reading, writing
from shared.release_card import ReleaseCard
from shared.web import (
    BEARER,
    ErrorTable,
    PageQuery,
    accepts_up_to,
    decode_cursor,
    make_page,
    new_blueprint,
    principal,
    requires,
)

log = structlog.get_logger()

ERRORS: Final[ErrorTable] = {
    UnknownReleaseError: ("unknown-release", "There is no such release", 404),
    UnknownChannelError: ("unknown-channel", "There is no such channel", 404),
    NotPromotableError: ("not-promotable", "The release cannot be promoted", 409),
    AlreadyInServiceError: ("already-in-service", "The release is in service already", 409),
    NothingToRollBackError: ("nothing-to-roll-back", "There is nothing to roll back to", 409),
    NeverAcceptedError: ("never-accepted", "The release was never accepted", 409),
    DifferentCandidateError: ("different-candidate", "The run submitted something else before", 409),
    ModelMismatchError: ("model-mismatch", "The model is not the one of the card", 422),
    KeyOfflineError: ("key-offline", "A signing key is offline", 409),
    SigningKeyError: ("signing-key-unusable", "A signing key cannot be used", 503),
    RepositoryError: ("repository-unusable", "The repository cannot be published", 503),
    BlobError: ("model-lost", "A stored model cannot be read", 503),
    NotYetPublishedError: ("not-yet-published", "The change is recorded but not yet published", 503),
}


def new_registry_blueprint(
    engine: Engine,
    publisher: Publisher,
    blobs: ModelBlobs,
    now: Callable[[], datetime],
    promote_by_itself: Callable[[str], None],
) -> APIBlueprint:
    """Makes the registry's endpoints.

    Args:
        engine: the registry's database.
        publisher: changes channels and shows them to phones.
        blobs: the compressed models.
        now: gives the time.
        promote_by_itself: called with the version of each accepted candidate.
    """
    blueprint = new_blueprint("registry", __name__)
    _add_candidates(blueprint, engine, blobs, now, promote_by_itself)
    _add_releases(blueprint, engine, publisher, blobs, now)
    _add_channels(blueprint, engine, publisher, now)
    return blueprint


def _add_candidates(
    blueprint: APIBlueprint,
    engine: Engine,
    blobs: ModelBlobs,
    now: Callable[[], datetime],
    promote_by_itself: Callable[[str], None],
) -> None:
    @blueprint.post(
        "/candidates",
        summary="Submit a candidate",
        responses={201: documents.ReleaseAnswer, 200: documents.ReleaseAnswer},
        security=BEARER,
    )
    @requires(Scope.SUBMIT)
    @accepts_up_to(MAX_SUBMISSION_BYTES)
    def submit_candidate(form: documents.CandidateForm) -> tuple[dict[str, Any], int]:
        """Judges a candidate at once; `state` says accepted or refused, `reasons` why not.

        The same submission of the same run again gives the same answer with 200.
        """
        submission = read_submission(form)
        verify_model(submission.model, submission.card)
        blobs.put(submission.model)
        release, is_new = _submit(engine, submission, Actor(principal().name, now()))
        log.info("candidate_judged", run_id=release.run_id, release=release.version, state=release.state, new=is_new)
        if release.state is ReleaseState.ACCEPTED:
            promote_by_itself(release.version)
        return _release_answer(release), 201 if is_new else 200


def _submit(engine: Engine, submission: Submission, actor: Actor) -> tuple[store.Release, bool]:
    """Judges and keeps a candidate; where its twin was faster by a moment, what that one stored is the answer."""
    try:
        with writing(engine) as session:
            return operations.submit(session, submission, actor)
    except IntegrityError:  # PostgreSQL lets both look before either writes; now the other's row is there to be seen
        with writing(engine) as session:
            return operations.submit(session, submission, actor)


def _add_releases(
    blueprint: APIBlueprint, engine: Engine, publisher: Publisher, blobs: ModelBlobs, now: Callable[[], datetime]
) -> None:
    @blueprint.get(
        "/releases",
        summary="List candidates and releases",
        responses={200: documents.ReleasesPage},
        security=BEARER,
    )
    @requires(Scope.READ_SNAPSHOT, Scope.SUBMIT, Scope.PUBLISH, Scope.TRAIN)
    def list_releases(query: PageQuery) -> dict[str, Any]:
        """Gives them newest submission first, refused ones too."""
        after = decode_cursor(query.cursor, (datetime, str))
        with reading(engine) as session:
            found = store.list_releases(session, query.limit + 1, (after[0], after[1]) if after else None)
        return make_page(found, query.limit, _release_answer, lambda last: [last.submitted_at, last.version])

    @blueprint.get(
        "/releases/<version>", summary="Show a release", responses={200: documents.ReleaseAnswer}, security=BEARER
    )
    @requires(Scope.READ_SNAPSHOT, Scope.SUBMIT, Scope.PUBLISH, Scope.TRAIN)
    def show_release(path: documents.ReleasePath) -> dict[str, Any]:
        """Says what became of it, on what figures."""
        with reading(engine) as session:
            return _release_answer(operations.find_release(session, path.version))

    @blueprint.get(
        "/releases/<version>/card", summary="Get a release's card", responses={200: ReleaseCard}, security=BEARER
    )
    @requires(Scope.READ_SNAPSHOT, Scope.SUBMIT, Scope.PUBLISH)
    def get_card(path: documents.ReleasePath) -> Response:
        """Gives the exact bytes that phones get."""
        with reading(engine) as session:
            card = operations.find_release(session, path.version).card
        return Response(card, mimetype="application/json")

    @blueprint.get(
        "/releases/<version>/model",
        summary="Get a release's model",
        responses={200: {"content": {"application/gzip": {"schema": {"type": "string", "format": "binary"}}}}},
        security=BEARER,
    )
    @requires(Scope.READ_SNAPSHOT, Scope.SUBMIT)
    def get_model(path: documents.ReleasePath) -> Response:
        """Gives model.onnx.gz; training compares the next candidate with it."""
        with reading(engine) as session:
            release = operations.find_release(session, path.version)
        return Response(blobs.get(release.model_sha256), mimetype="application/gzip")

    @blueprint.post(
        "/releases/<version>/withdraw",
        summary="Take a release back",
        responses={200: documents.ReleaseAnswer},
        security=BEARER,
    )
    @requires(Scope.PUBLISH)
    def withdraw_release(path: documents.ReleasePath, body: documents.WithdrawBody) -> dict[str, Any]:
        """Takes it out of every channel, for ever; what was in service before takes its place, or nothing does."""
        actor = Actor(principal().name, now())
        release = publisher.change(
            lambda session: operations.withdraw_release(session, path.version, body.reason, actor)
        )
        return _release_answer(release)


def _add_channels(blueprint: APIBlueprint, engine: Engine, publisher: Publisher, now: Callable[[], datetime]) -> None:
    @blueprint.get("/channels", summary="List channels", responses={200: documents.ChannelsPage}, security=BEARER)
    @requires(Scope.READ_SNAPSHOT, Scope.SUBMIT, Scope.PUBLISH, Scope.TRAIN)
    def list_channels(query: PageQuery) -> dict[str, Any]:
        """Gives what every channel offers now, by name; `stable` is always there."""
        position = decode_cursor(query.cursor, (str,))
        after = position[0] if position else ""
        with reading(engine) as session:
            withdrawn = store.withdrawn_versions(session)
            found = [channel for channel in operations.list_channels(session) if channel.name > after]
        return make_page(
            found, query.limit, lambda channel: _channel_answer(channel, withdrawn), lambda last: [last.name]
        )

    @blueprint.get(
        "/channels/<name>", summary="Show a channel", responses={200: documents.ChannelAnswer}, security=BEARER
    )
    @requires(Scope.READ_SNAPSHOT, Scope.SUBMIT, Scope.PUBLISH, Scope.TRAIN)
    def show_channel(path: documents.ChannelPath) -> dict[str, Any]:
        """Gives what the channel offers now."""
        with reading(engine) as session:
            channel = operations.require_channel(session, path.name)
            return _channel_answer(channel, store.withdrawn_versions(session))

    @blueprint.post(
        "/channels/<name>/promote",
        summary="Offer a release on a channel",
        responses={200: documents.ChannelAnswer},
        security=BEARER,
    )
    @requires(Scope.PUBLISH)
    def promote_release(path: documents.ChannelPath, body: documents.PromoteBody) -> dict[str, Any]:
        """Offers an accepted release to all phones, or to a share of them; phones see it when this answers."""
        actor = Actor(principal().name, now())
        return change(
            lambda session: operations.promote_release(session, path.name, body.version, body.percentage, actor),
        )

    @blueprint.post(
        "/channels/<name>/rollback",
        summary="Go back one step",
        responses={200: documents.ChannelAnswer},
        security=BEARER,
    )
    @requires(Scope.PUBLISH)
    def roll_back_channel(path: documents.ChannelPath) -> dict[str, Any]:
        """Ends a rollout that is under way, or else puts the release before into service."""
        actor = Actor(principal().name, now())
        return change(lambda session: operations.roll_back_channel(session, path.name, actor))

    @blueprint.get(
        "/channels/<name>/history",
        summary="Show what happened to a channel",
        responses={200: documents.HistoryPage},
        security=BEARER,
    )
    @requires(Scope.READ_SNAPSHOT, Scope.SUBMIT, Scope.PUBLISH, Scope.TRAIN)
    def show_history(path: documents.ChannelPath, query: documents.HistoryQuery) -> dict[str, Any]:
        """Answers which release was on the channel on a day, who approved it, and on what figures.

        With `on`, the first item is what held at the end of that day (UTC).
        """
        position = decode_cursor(query.cursor, (int,))
        until = None if query.on is None else datetime.combine(query.on, time.max, UTC)
        with reading(engine) as session:
            operations.require_channel(session, path.name)
            found = store.list_events(
                session,
                path.name,
                query.limit + 1,
                before_sequence=position[0] if position else None,
                until=until,
            )
        return make_page(found, query.limit, _event_answer, lambda last: [last.sequence])

    def change(move: Callable[[Session], Channel]) -> dict[str, Any]:
        channel = publisher.change(move)
        with reading(engine) as session:
            return _channel_answer(channel, store.withdrawn_versions(session))


def _release_answer(release: store.Release) -> dict[str, Any]:
    values = {name: getattr(release, name) for name in documents.ReleaseAnswer.model_fields}
    return documents.ReleaseAnswer(**values).model_dump(mode="json")


def _channel_answer(channel: Channel, withdrawn: tuple[str, ...]) -> dict[str, Any]:
    offer = channel_file(channel, withdrawn).model_dump(mode="json", exclude={"format"})
    return {"name": channel.name, **offer}


def _event_answer(event: store.ChannelEvent) -> dict[str, Any]:
    return documents.EventAnswer(
        at=event.at,
        event=event.kind,
        version=event.version,
        percentage=event.percentage,
        approver=event.approver,
        reason=event.reason,
        figures=event.figures,
        release=event.after.release,
        approval=documents.ApprovalAnswer(**vars(event.approval)) if event.approval else None,
        candidate=event.after.candidate,
        candidate_percentage=event.after.percentage,
    ).model_dump(mode="json")
