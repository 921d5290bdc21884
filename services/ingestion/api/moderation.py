"""The endpoints for those who look at reports and label them."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from flask_openapi3 import APIBlueprint
from pydantic import BaseModel, Field
from sqlalchemy import Engine

from services.ingestion import operations, store
from services.ingestion.campaigns import campaign_name, campaign_number
from services.ingestion.documents import (
    CampaignOut,
    CampaignPage,
    LabelCount,
    LabelIn,
    ModeratedReport,
    ReportPage,
    ReportQuery,
)
from services.ingestion.metrics import Counts
from services.ingestion.reports import UnknownCampaignError, UnknownReportError
from services.ingestion.store import Campaign, ReportFilter, StoredReport
from shared.auth import Scope
from shared.database import reading, writing
from shared.web import BEARER, PageQuery, decode_cursor, make_page, principal, requires


class ReportPath(BaseModel):
    """Names a report."""

    report_id: Annotated[str, Field(max_length=64)]


class CampaignPath(BaseModel):
    """Names a campaign."""

    campaign_id: Annotated[str, Field(max_length=64)]


def add_moderation(api: APIBlueprint, engine: Engine, clock: Callable[[], datetime], counts: Counts) -> None:
    """Adds the endpoints."""

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
        operations.place_waiting(engine)
        with reading(engine) as session:
            found = store.list_reports(session, wanted, query.limit + 1, after[0] if after else None)
        return make_page(found, query.limit, _report, lambda last: [last.number])

    @api.post("/reports/<report_id>/label", summary="Label a report", responses={200: ModeratedReport}, security=BEARER)
    @requires(Scope.MODERATE)
    def label_report(path: ReportPath, body: LabelIn) -> dict[str, Any]:
        """Says what the report is, which verifies it; an earlier label is replaced."""
        with writing(engine) as session:
            report = store.label_report(
                session, path.report_id, body.category, body.topic, by=principal().name, now=clock()
            )
        if report is None:
            raise UnknownReportError("No report has this id.")
        counts.label(body.category)
        return _report(report)

    @api.get("/campaigns", summary="List campaigns", responses={200: CampaignPage}, security=BEARER)
    @requires(Scope.MODERATE)
    def list_campaigns(query: PageQuery) -> dict[str, Any]:
        """Lists groups of near-copies, the largest first, with how many people reported each."""
        after = decode_cursor(query.cursor, (int, str))
        position = (after[0], campaign_number(after[1]) or 0) if after else None
        operations.place_waiting(engine)
        with reading(engine) as session:
            found = store.list_campaigns(session, query.limit + 1, position)
        return make_page(found, query.limit, _campaign, lambda last: [last.reports, campaign_name(last.id)])

    @api.get("/campaigns/<campaign_id>", summary="Show a campaign", responses={200: CampaignOut}, security=BEARER)
    @requires(Scope.MODERATE)
    def show_campaign(path: CampaignPath) -> dict[str, Any]:
        """Shows one campaign. Its id is that of its first text in the order of hashes, so it may change as it grows."""
        number = campaign_number(path.campaign_id)
        operations.place_waiting(engine)
        with reading(engine) as session:
            campaign = store.find_campaign(session, number) if number is not None else None
        if campaign is None:
            raise UnknownCampaignError("No campaign has this id now. It may have become part of another one.")
        return _campaign(campaign)

    @api.get("/labels/count", summary="Count labels", responses={200: LabelCount}, security=BEARER)
    @requires(Scope.READ_SNAPSHOT, Scope.MODERATE)
    def count_labels() -> dict[str, Any]:
        """Tells how many reports have a verified label, so that training knows when it is worth a run."""
        with reading(engine) as session:
            return {"verified": store.count_labels(session)}


def _report(report: StoredReport) -> dict[str, Any]:
    return ModeratedReport.of(report).model_dump(mode="json")


def _campaign(campaign: Campaign) -> dict[str, Any]:
    return CampaignOut.of(campaign).model_dump(mode="json")
