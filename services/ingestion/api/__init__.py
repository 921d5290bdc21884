"""HTTP in and out of ingestion. Every view opens its one transaction here."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from flask_openapi3 import APIBlueprint
from sqlalchemy import Engine

from services.ingestion.api.imports import add_imports
from services.ingestion.api.moderation import add_moderation
from services.ingestion.api.reports import add_reports
from services.ingestion.api.snapshots import add_snapshots
from services.ingestion.metrics import Counts
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
from services.ingestion.snapshots import SnapshotFolder
from shared.web import ErrorTable, new_blueprint

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


def new_ingestion_blueprint(
    engine: Engine, folder: SnapshotFolder, clock: Callable[[], datetime], counts: Counts
) -> APIBlueprint:
    """Makes all endpoints of the service.

    Args:
        engine: the database.
        folder: where snapshots are kept.
        clock: gives the present time, in UTC.
        counts: told what happens.
    """
    api = new_blueprint("ingestion", __name__)
    add_reports(api, engine, clock, counts)
    add_imports(api, engine, clock, counts)
    add_moderation(api, engine, clock, counts)
    add_snapshots(api, engine, folder, clock, counts)
    return api
