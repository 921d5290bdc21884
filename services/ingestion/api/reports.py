"""The endpoints for those who report: hand in, show, withdraw."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Annotated, Any

from flask_openapi3 import APIBlueprint
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Engine

from services.ingestion import operations, store
from services.ingestion.documents import OwnReport, ReportAccepted, ReportIn
from services.ingestion.metrics import Counts
from services.ingestion.reports import NewReport
from shared.auth import Scope
from shared.database import reading, writing
from shared.web import BEARER, principal, requires


class ReceiptPath(BaseModel):
    """Names a receipt."""

    receipt: Annotated[str, Field(max_length=64)]


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


def add_reports(api: APIBlueprint, engine: Engine, clock: Callable[[], datetime], counts: Counts) -> None:
    """Adds the endpoints."""

    @api.post(
        "/reports", summary="Report a message", responses={200: ReportAccepted, 201: ReportAccepted}, security=BEARER
    )
    @requires(Scope.REPORT)
    def report_message(body: ReportIn, header: RepeatHeader) -> tuple[dict[str, Any], int]:
        """Takes a message from its owner, masks it, and gives a receipt. A repeat under the same Idempotency-Key gives
        the same answer with status 200."""  # noqa: D205, D209
        with writing(engine) as session:
            submitted = operations.submit(session, body, holder=principal().name, key=header.key, now=clock())
        if isinstance(submitted.report, NewReport):
            counts.accept(submitted.report)
        answer = ReportAccepted.of(submitted.receipt, submitted.report)
        return answer.model_dump(mode="json"), 201 if submitted.is_new else 200

    @api.get("/reports/<receipt>", summary="Show my report", responses={200: OwnReport}, security=BEARER)
    @requires(Scope.REPORT)
    def show_report(path: ReceiptPath, header: SecretHeader) -> dict[str, Any]:
        """Shows the owner what is stored of the report, and whether it was verified."""
        with reading(engine) as session:
            report = operations.show(session, path.receipt, header.secret)
        return OwnReport.of(report).model_dump(mode="json")

    @api.delete("/reports/<receipt>", summary="Withdraw my report", responses={204: None}, security=BEARER)
    @requires(Scope.REPORT)
    def withdraw_report(path: ReceiptPath, header: SecretHeader) -> tuple[str, int]:
        """Deletes the report for good; it is in no later snapshot."""
        with writing(engine) as session:
            operations.withdraw(session, path.receipt, header.secret, clock())
        store.empty_log(engine)
        counts.withdraw()
        return "", 204
