"""HTTP in and out of ingestion. Every view opens its one transaction here."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from itertools import chain
from typing import Annotated, Any, Final

from flask import Response, request
from flask_openapi3 import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine

from services.ingestion import operations, store
from services.ingestion.bulk import import_records, stream_answer
from services.ingestion.campaigns import campaign_name, campaign_number
from services.ingestion.documents import (
    CampaignOut,
    CampaignPage,
    ImportQuery,
    LabelCount,
    LabelIn,
    ModeratedReport,
    OwnReport,
    ReportAccepted,
    ReportIn,
    ReportPage,
    ReportQuery,
    SnapshotOut,
    SnapshotPage,
)
from services.ingestion.intake import BulkSource
from services.ingestion.lines import READERS, LineError, WholeBody
from services.ingestion.reports import (
    BadSenderError,
    BadTextError,
    KeyReusedError,
    NothingToLearnError,
    SourceKindError,
    UnknownCampaignError,
    UnknownReceiptError,
    UnknownReportError,
    UnknownSnapshotError,
    WithdrawnError,
    WrongClockError,
)
from services.ingestion.snapshots import SnapshotFolder, freeze
from services.ingestion.store import ReportFilter, Snapshot
from shared.auth import Scope
from shared.database import reading, writing
from shared.problems import Problem
from shared.web import (
    BEARER,
    ErrorTable,
    PageQuery,
    accepts_up_to,
    decode_cursor,
    encode_cursor,
    new_blueprint,
    principal,
    requires,
)

ERRORS: Final[ErrorTable] = {
    BadSenderError: ("bad-sender", "The sender is none", 422),
    BadTextError: ("bad-text", "The text cannot be taken", 422),
    WrongClockError: ("wrong-clock", "The time cannot be true", 422),
    UnknownReportError: ("unknown-report", "There is no such report", 404),
    UnknownReceiptError: ("unknown-receipt", "There is no such receipt", 404),
    WithdrawnError: ("withdrawn", "The report was withdrawn", 410),
    KeyReusedError: ("key-reused", "The Idempotency-Key was used before", 409),
    UnknownCampaignError: ("unknown-campaign", "There is no such campaign", 404),
    SourceKindError: ("source-kind", "The source is of another kind", 409),
    UnknownSnapshotError: ("unknown-snapshot", "There is no such snapshot", 404),
    NothingToLearnError: ("nothing-to-learn", "There are too few labels for a snapshot", 409),
}

MAX_NUMBER: Final = 2**31 - 1
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NDJSON: Final = "application/x-ndjson"
PARQUET: Final = "application/vnd.apache.parquet"
FORMATS: Final = {NDJSON: "jsonl", "application/jsonl": "jsonl", "application/json": "jsonl", "text/csv": "csv"}


class ReceiptPath(BaseModel):
    """Names a receipt."""

    receipt: Annotated[str, Field(max_length=64)]


class ReportPath(BaseModel):
    """Names a report."""

    report_id: Annotated[str, Field(max_length=64)]


class CampaignPath(BaseModel):
    """Names a campaign."""

    campaign_id: Annotated[str, Field(max_length=64)]


class SnapshotPath(BaseModel):
    """Names a snapshot."""

    snapshot_id: Annotated[str, Field(max_length=64)]


class Header(BaseModel):
    """Headers of a request.

    flask-openapi3 asks for the schema of the headers at every request, which took a fifth of the time of a report;
    so it is made once.
    """

    model_config = ConfigDict(populate_by_name=True)

    @classmethod
    def model_json_schema(cls, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Gives the schema; the caller must not change it."""
        return _schema_of_headers(super().model_json_schema, *arguments, **options)


@cache
def _schema_of_headers(make: Callable[..., dict[str, Any]], *arguments: Any, **options: Any) -> dict[str, Any]:
    return make(*arguments, **options)


class RepeatHeader(Header):
    """Makes a request safe to repeat."""

    key: Annotated[
        str | None,
        Field(alias="Idempotency-Key", min_length=8, max_length=128, description="random, best a UUID"),
    ] = None


class SecretHeader(Header):
    """Proves that a receipt is one's own."""

    secret: Annotated[str, Field(alias="X-Receipt-Secret", max_length=128)]


@dataclass(frozen=True)
class Ingestion:
    """What the views work with."""

    engine: Engine
    folder: SnapshotFolder
    clock: Callable[[], datetime]


def new_ingestion_blueprint(ingestion: Ingestion) -> APIBlueprint:
    """Makes all endpoints of the service."""
    api = new_blueprint("ingestion", __name__)
    for add in (add_reports, add_imports, add_moderation, add_snapshots):
        add(api, ingestion)
    return api


def add_reports(api: APIBlueprint, ingestion: Ingestion) -> None:
    """Adds the endpoints for those who report."""

    @api.post(
        "/reports", summary="Report a message", responses={200: ReportAccepted, 201: ReportAccepted}, security=BEARER
    )
    @requires(Scope.REPORT)
    def report_message(body: ReportIn, header: RepeatHeader) -> tuple[dict[str, Any], int]:
        """Takes a message from its owner, masks it, and gives a receipt. A repeat under the same Idempotency-Key gives
        the same answer with status 200."""  # noqa: D205, D209
        with writing(ingestion.engine) as session:
            submitted = operations.submit(session, body, holder=principal().name, key=header.key, now=ingestion.clock())
        answer = ReportAccepted.of(submitted.receipt, submitted.report)
        return answer.model_dump(mode="json"), 201 if submitted.is_new else 200

    @api.get("/reports/<receipt>", summary="Show my report", responses={200: OwnReport}, security=BEARER)
    @requires(Scope.REPORT)
    def show_report(path: ReceiptPath, header: SecretHeader) -> dict[str, Any]:
        """Shows the owner what is stored of the report, and whether it was verified."""
        with reading(ingestion.engine) as session:
            report = operations.show(session, path.receipt, header.secret)
        return OwnReport.of(report).model_dump(mode="json")

    @api.delete("/reports/<receipt>", summary="Withdraw my report", responses={204: None}, security=BEARER)
    @requires(Scope.REPORT)
    def withdraw_report(path: ReceiptPath, header: SecretHeader) -> tuple[str, int]:
        """Deletes the report for good; it is in no later snapshot."""
        with writing(ingestion.engine) as session:
            operations.withdraw(session, path.receipt, header.secret, ingestion.clock())
        return "", 204


def add_imports(api: APIBlueprint, ingestion: Ingestion) -> None:
    """Adds the endpoint for bulk files."""
    line = {"schema": {"type": "string", "contentMediaType": NDJSON}}

    @api.post(
        "/reports:import",
        summary="Import a file of reports",
        responses={200: {"description": "What became of the lines", "content": {NDJSON: line}}},
        security=BEARER,
        openapi_extensions={"requestBody": {"required": True, "content": {NDJSON: line, "text/csv": line}}},
    )
    @requires(Scope.MODERATE)
    @accepts_up_to(None)
    def import_reports(query: ImportQuery) -> Response:
        """Takes lines `{text|body, sender?, received_at?, category|label?, topic?, reporter?, id?, campaign?}` of any
        number and answers with one JSON object a line: `{"line", "problem"}` for each refused line,
        `{"read", "accepted"}` now and then, and `{"done": true, "read", "accepted", "refused", "duplicates"}` at the
        end. Sending the same file again adds nothing twice."""  # noqa: D205, D209
        kind = query.format or FORMATS.get(request.mimetype)
        if kind is None or request.headers.get("Content-Encoding"):
            detail = f"Send `Content-Type: {NDJSON}` or `text/csv`, not compressed."
            raise Problem("lines-needed", "The body must be lines of JSON, or CSV", 415, detail)
        source = BulkSource(query.source, query.source_kind, query.weight, query.labelled)
        records = READERS[kind](_whole_body())
        events = import_records(records, source, ingestion.engine, ingestion.clock, principal().name)
        try:
            first = next(events)
        except LineError as error:
            raise Problem("bad-header", "The first line names no columns", 422, str(error)) from None
        return Response(stream_answer(chain([first], events)), mimetype=NDJSON)


def add_moderation(api: APIBlueprint, ingestion: Ingestion) -> None:
    """Adds the endpoints for those who look at reports and label them."""

    @api.get("/reports", summary="List reports", responses={200: ReportPage}, security=BEARER)
    @requires(Scope.MODERATE)
    def list_reports(query: ReportQuery) -> dict[str, Any]:
        """Lists reports, newest first, with filters."""
        wanted = ReportFilter(
            category=query.category.value if query.category else None,
            status=query.status,
            source=query.source,
            campaign=campaign_number(query.campaign) if query.campaign else None,
            contains=query.q,
        )
        after = decode_cursor(query.cursor, (int,))
        operations.place_waiting(ingestion.engine)
        with reading(ingestion.engine) as session:
            found = store.list_reports(session, wanted, query.limit + 1, _row_number(after[0]) if after else None)
        return _page(found, query.limit, ModeratedReport, lambda last: [last.number])

    @api.post("/reports/<report_id>/label", summary="Label a report", responses={200: ModeratedReport}, security=BEARER)
    @requires(Scope.MODERATE)
    def label_report(path: ReportPath, body: LabelIn) -> dict[str, Any]:
        """Says what the report is, which verifies it; an earlier label is replaced."""
        with writing(ingestion.engine) as session:
            report = store.label_report(
                session, path.report_id, body.category, body.topic, by=principal().name, now=ingestion.clock()
            )
        if report is None:
            raise UnknownReportError("No report has this id.")
        return ModeratedReport.of(report).model_dump(mode="json")

    @api.get("/campaigns", summary="List campaigns", responses={200: CampaignPage}, security=BEARER)
    @requires(Scope.MODERATE)
    def list_campaigns(query: PageQuery) -> dict[str, Any]:
        """Lists groups of near-copies, the largest first, with how many people reported each."""
        after = decode_cursor(query.cursor, (int, str))
        operations.place_waiting(ingestion.engine)
        with reading(ingestion.engine) as session:
            found = store.list_campaigns(
                session, query.limit + 1, (_row_number(after[0]), campaign_number(after[1]) or 0) if after else None
            )
        return _page(found, query.limit, CampaignOut, lambda last: [last.reports, campaign_name(last.id)])

    @api.get("/campaigns/<campaign_id>", summary="Show a campaign", responses={200: CampaignOut}, security=BEARER)
    @requires(Scope.MODERATE)
    def show_campaign(path: CampaignPath) -> dict[str, Any]:
        """Shows one campaign. Its id is that of its first text in the order of hashes, so it may change as it grows."""
        number = campaign_number(path.campaign_id)
        operations.place_waiting(ingestion.engine)
        with reading(ingestion.engine) as session:
            campaign = store.find_campaign(session, number) if number is not None else None
        if campaign is None:
            raise UnknownCampaignError("No campaign has this id now. It may have become part of another one.")
        return CampaignOut.of(campaign).model_dump(mode="json")

    @api.get("/labels/count", summary="Count labels", responses={200: LabelCount}, security=BEARER)
    @requires(Scope.READ_SNAPSHOT, Scope.MODERATE)
    def count_labels() -> dict[str, Any]:
        """Tells how many reports have a verified label, so that training knows when it is worth a run."""
        with reading(ingestion.engine) as session:
            return {"verified": store.count_labels(session)}


def add_snapshots(api: APIBlueprint, ingestion: Ingestion) -> None:
    """Adds the endpoints for data sets."""

    @api.post(
        "/snapshots", summary="Freeze a snapshot", responses={200: SnapshotOut, 201: SnapshotOut}, security=BEARER
    )
    @requires(Scope.MODERATE)
    def freeze_snapshot() -> tuple[dict[str, Any], int]:
        """Freezes all verified reports; if nothing changed since the last one, gives that with status 200."""
        operations.place_waiting(ingestion.engine)
        snapshot, is_new = freeze(ingestion.engine, ingestion.folder, ingestion.clock())
        return SnapshotOut.of(snapshot).model_dump(mode="json"), 201 if is_new else 200

    @api.get("/snapshots", summary="List snapshots", responses={200: SnapshotPage}, security=BEARER)
    @requires(Scope.READ_SNAPSHOT, Scope.MODERATE)
    def list_snapshots(query: PageQuery) -> dict[str, Any]:
        """Lists snapshots, newest first."""
        with reading(ingestion.engine) as session:
            found = store.list_snapshots(session, query.limit + 1, _moment_and_id(query.cursor))
        return _page(found, query.limit, SnapshotOut, lambda last: [_microseconds(last.created_at), last.id])

    def find(snapshot_id: str) -> Snapshot:
        with reading(ingestion.engine) as session:
            wanted = None if snapshot_id == "latest" else snapshot_id
            snapshot = store.find_snapshot(session, snapshot_id=wanted)
        if snapshot is None:
            raise UnknownSnapshotError("Freeze one with `POST /v1/snapshots`, or look at the list.")
        return snapshot

    @api.get("/snapshots/<snapshot_id>", summary="Show a snapshot", responses={200: SnapshotOut}, security=BEARER)
    @requires(Scope.READ_SNAPSHOT, Scope.MODERATE)
    def show_snapshot(path: SnapshotPath) -> dict[str, Any]:
        """Shows one snapshot; `latest` is the newest."""
        return SnapshotOut.of(find(path.snapshot_id)).model_dump(mode="json")

    @api.get(
        "/snapshots/<snapshot_id>/data",
        summary="Download a snapshot",
        responses={
            200: {"description": "Parquet", "content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}}}
        },
        security=BEARER,
    )
    @requires(Scope.READ_SNAPSHOT)
    def download_snapshot(path: SnapshotPath) -> Response:
        """Gives the Parquet file, whose SHA-256 is the digest."""
        snapshot = find(path.snapshot_id)
        answer = Response(ingestion.folder.read(snapshot.id), mimetype=PARQUET)
        answer.content_length = snapshot.bytes
        answer.set_etag(snapshot.digest.removeprefix("sha256:"))
        return answer


def _whole_body() -> WholeBody:
    """Gives the request's body as a stream that ends where the client ended it.

    A body without a length comes in chunks, which gunicorn puts together, or in process, where all of it is in memory.

    Raises:
        Problem: 411, if the server leaves open where a body without a length ends; werkzeug would take it for empty.
    """
    whole = request.environ["wsgi.input"]
    is_announced = bool(request.environ.get("CONTENT_LENGTH"))
    if is_announced or request.environ.get("wsgi.input_terminated"):
        return WholeBody(request.stream, request.content_length if is_announced else None)
    if isinstance(whole, BytesIO):
        return WholeBody(whole, None)
    raise Problem(
        "length-needed", "The length is missing", 411, "Send `Content-Length`, or the body in chunks to gunicorn."
    )


def _row_number(number: int) -> int:
    """Keeps a number from a cursor that we did not make within what a database can compare."""
    return max(-MAX_NUMBER, min(MAX_NUMBER, number))


def _microseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


def _moment_and_id(cursor: str | None) -> tuple[datetime, str] | None:
    position = decode_cursor(cursor, (int, str))
    if position is None:
        return None
    try:
        return EPOCH + timedelta(microseconds=position[0]), position[1]
    except OverflowError as error:
        raise Problem("bad-cursor", "The cursor is not one of ours", 400) from error


def _page(found: list[Any], limit: int, kind: Any, position: Callable[[Any], list[Any]]) -> dict[str, Any]:
    """Makes a page of what was found, one more than asked for if there are more pages."""
    shown = found[:limit]
    return {
        "items": [kind.of(item).model_dump(mode="json") for item in shown],
        "next_cursor": encode_cursor(position(shown[-1])) if len(found) > limit else None,
    }
