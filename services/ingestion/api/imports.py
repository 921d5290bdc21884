"""The endpoint for bulk files."""

from collections.abc import Callable
from datetime import datetime
from itertools import chain
from typing import Final

from flask import Response, request
from flask_openapi3 import APIBlueprint
from sqlalchemy import Engine

from services.ingestion.bulk import import_records, stream_answer
from services.ingestion.documents import ImportQuery
from services.ingestion.intake import BulkSource
from services.ingestion.lines import READERS, LineError
from services.ingestion.metrics import Counts
from shared.auth import Scope
from shared.problems import Problem
from shared.web import BEARER, Readable, accepts_up_to, keep_trail, principal, requires

NDJSON: Final = "application/x-ndjson"
FORMATS: Final = {NDJSON: "jsonl", "application/jsonl": "jsonl", "application/json": "jsonl", "text/csv": "csv"}


def add_imports(api: APIBlueprint, engine: Engine, clock: Callable[[], datetime], counts: Counts) -> None:
    """Adds the endpoint."""
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
        number and answers, when all are read, with one JSON object a line: `{"line", "problem"}` for each refused line,
        `{"read", "accepted"}` for each batch, and `{"done": true, "read", "accepted", "refused", "duplicates",
        "without_category", "unknown_columns"}` at the end. Lines without a category wait for a moderator; columns that
        are not known are left out. Sending the same file again adds nothing twice."""  # noqa: D205, D209
        kind = query.format or FORMATS.get(request.mimetype)
        if kind is None or request.headers.get("Content-Encoding"):
            detail = f"Send `Content-Type: {NDJSON}` or `text/csv`, not compressed."
            raise Problem("lines-needed", "The body must be lines of JSON, or CSV", 415, detail)
        source = BulkSource(query.source, query.source_kind, query.weight, query.labelled)
        records = READERS[kind](_body())
        events = keep_trail(import_records(records, source, engine, clock, by=principal().name, counts=counts))
        try:
            first = next(events)
        except LineError as error:
            raise Problem("bad-header", "The first line names no columns", 422, str(error)) from None
        return Response(stream_answer(chain([first], events)), mimetype=NDJSON)


def _body() -> Readable:
    """Gives the request's body as a stream.

    A body without a length comes in chunks, which gunicorn puts together, or in process, where all of it is in memory.

    Raises:
        Problem: 411, if the server leaves open where a body without a length ends; werkzeug would take it for empty.
    """
    if request.environ.get("CONTENT_LENGTH") or request.environ.get("wsgi.input_terminated"):
        return request.stream
    raise Problem(
        "length-needed", "The length is missing", 411, "Send `Content-Length`, or the body in chunks to gunicorn."
    )
