"""The endpoints for data sets."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final

from flask import Response
from flask_openapi3 import APIBlueprint
from pydantic import BaseModel, Field
from sqlalchemy import Engine

from services.ingestion import operations, store
from services.ingestion.documents import SnapshotOut, SnapshotPage
from services.ingestion.metrics import Counts
from services.ingestion.reports import UnknownSnapshotError
from services.ingestion.snapshots import SnapshotFolder, freeze
from services.ingestion.store import Snapshot
from shared.auth import Scope
from shared.database import reading
from shared.web import BEARER, PageQuery, decode_cursor, make_page, requires

PARQUET: Final = "application/vnd.apache.parquet"


class SnapshotPath(BaseModel):
    """Names a snapshot."""

    snapshot_id: Annotated[str, Field(max_length=64)]


def add_snapshots(
    api: APIBlueprint, engine: Engine, folder: SnapshotFolder, clock: Callable[[], datetime], counts: Counts
) -> None:
    """Adds the endpoints."""

    @api.post(
        "/snapshots", summary="Freeze a snapshot", responses={200: SnapshotOut, 201: SnapshotOut}, security=BEARER
    )
    @requires(Scope.MODERATE)
    def freeze_snapshot() -> tuple[dict[str, Any], int]:
        """Freezes all verified reports; if nothing changed since the last one, gives that with status 200."""
        operations.place_waiting(engine)
        snapshot, is_new = freeze(engine, folder, clock())
        if is_new:
            counts.freeze()
        return _snapshot(snapshot), 201 if is_new else 200

    @api.get("/snapshots", summary="List snapshots", responses={200: SnapshotPage}, security=BEARER)
    @requires(Scope.READ_SNAPSHOT, Scope.MODERATE)
    def list_snapshots(query: PageQuery) -> dict[str, Any]:
        """Lists snapshots, newest first."""
        after = decode_cursor(query.cursor, (datetime, str))
        with reading(engine) as session:
            found = store.list_snapshots(session, query.limit + 1, (after[0], after[1]) if after else None)
        return make_page(found, query.limit, _snapshot, lambda last: [last.created_at, last.id])

    def find(snapshot_id: str) -> Snapshot:
        with reading(engine) as session:
            wanted = None if snapshot_id == "latest" else snapshot_id
            snapshot = store.find_snapshot(session, snapshot_id=wanted)
        if snapshot is None:
            raise UnknownSnapshotError("Freeze one with `POST /v1/snapshots`, or look at the list.")
        return snapshot

    @api.get("/snapshots/<snapshot_id>", summary="Show a snapshot", responses={200: SnapshotOut}, security=BEARER)
    @requires(Scope.READ_SNAPSHOT, Scope.MODERATE)
    def show_snapshot(path: SnapshotPath) -> dict[str, Any]:
        """Shows one snapshot; `latest` is the newest."""
        return _snapshot(find(path.snapshot_id))

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
        answer = Response(folder.read(snapshot.id), mimetype=PARQUET)
        answer.content_length = snapshot.bytes
        answer.set_etag(snapshot.digest.removeprefix("sha256:"))
        return answer


def _snapshot(snapshot: Snapshot) -> dict[str, Any]:
    return SnapshotOut.of(snapshot).model_dump(mode="json")
