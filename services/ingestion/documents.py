"""The JSON that goes in and out of the ingestion API."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from services.ingestion.campaigns import campaign_name
from services.ingestion.reports import NewReport, Receipt, SenderKind, SourceKind, Status
from services.ingestion.store import Campaign, Snapshot, StoredReport
from shared.categories import TOPICS, Category
from shared.web import PageQuery, is_storable


def _known_topic(topic: str) -> str:
    if topic not in TOPICS:
        raise ValueError(f"must be one of {', '.join(TOPICS)}")
    return topic


def _storable(value: str) -> str:
    if not is_storable(value):
        raise ValueError("holds NUL or a surrogate without its partner")
    return value


Topic = Annotated[str, AfterValidator(_known_topic), Field(json_schema_extra={"enum": list(TOPICS)})]
Name = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Token = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_storable)]
Word = Annotated[Token, Field(coerce_numbers_to_str=True)]
LABELS: Final = frozenset({"category", "label", "topic"})
"""Members of a bulk line that tools write empty where there is no label yet."""
CampaignId = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class ReportIn(BaseModel):
    """A message that its owner reports."""

    model_config = ConfigDict(extra="forbid", use_enum_values=True)

    sender: Annotated[str, Field(max_length=200, description="who it came from, as the phone shows it")]
    body: Annotated[str, Field(description="the text, at most 2,000 characters; masked before it is stored")]
    received_at: AwareDatetime
    category: Category | None = None
    topic: Topic | None = None
    consent: Annotated[Literal[True], Field(description="the owner agrees that the text leaves the phone")]
    on_behalf_of: Annotated[Literal["spouse"] | None, Field(description="whose phone it is, with their consent")] = None
    reporter: Annotated[Token | None, Field(description="opaque, the same for all reports of one person")] = None


class BulkLine(BaseModel):
    """One line of a bulk file; members that are not known are ignored."""

    model_config = ConfigDict(extra="ignore", use_enum_values=True)

    text: Annotated[str, AfterValidator(_storable), Field(validation_alias=AliasChoices("text", "body"))]
    sender: str | None = None
    received_at: datetime | None = None
    category: Annotated[Category | None, Field(validation_alias=AliasChoices("category", "label"))] = None
    topic: Topic | None = None
    reporter: Word | None = None
    id: Word | None = None
    campaign: Word | None = None

    @model_validator(mode="before")
    @classmethod
    def _leave_out_empty_labels(cls, members: Any) -> Any:
        """Takes an empty label for none, as an empty cell of CSV."""
        if not isinstance(members, dict):
            return members
        return {name: value for name, value in members.items() if value != "" or name not in LABELS}

    @classmethod
    def columns(cls) -> frozenset[str]:
        """Names all members that are known, with those that stand for another."""
        aliases = (field.validation_alias for field in cls.model_fields.values())
        choices = (map(str, alias.choices) for alias in aliases if isinstance(alias, AliasChoices))
        return frozenset(cls.model_fields).union(*choices)


class SenderOut(BaseModel):
    """Who a message came from."""

    kind: SenderKind
    value: str


class MaskedReport(BaseModel):
    """What is stored of a report."""

    text: Annotated[str, Field(description="with slots such as ⟦code:6⟧ in the place of personal data")]
    sender: SenderOut | None
    received_at: datetime
    language: str
    category: Annotated[Category | None, Field(description="what the reporter says it is")]
    topic: str | None
    on_behalf_of: str | None


class OwnReport(MaskedReport):
    """What the owner of a report sees later."""

    status: Status

    @classmethod
    def of(cls, report: StoredReport) -> Self:
        """Gives what the owner sees."""
        return cls.model_validate({**_masked(report), "status": report.status})


def _masked(report: NewReport | StoredReport) -> dict[str, Any]:
    return {
        "text": report.text,
        "sender": _sender(report),
        "received_at": report.received_at.astimezone(UTC),
        "language": report.language,
        "category": report.claimed_category,
        "topic": report.claimed_topic,
        "on_behalf_of": report.on_behalf_of,
    }


def _sender(report: NewReport | StoredReport) -> dict[str, str] | None:
    return {"kind": report.sender.kind, "value": report.sender.value} if report.sender else None


class ReportAccepted(BaseModel):
    """The answer to a report. The secret is told once, and again only under the same Idempotency-Key."""

    receipt: Annotated[str, Field(description="goes into the path to see or withdraw the report")]
    secret: Annotated[str, Field(description="goes into the header X-Receipt-Secret")]
    report: MaskedReport

    @classmethod
    def of(cls, receipt: Receipt, report: NewReport | StoredReport) -> Self:
        """Gives what the owner gets, the same for a report and its repeat."""
        return cls.model_validate({"receipt": receipt.id, "secret": receipt.secret, "report": _masked(report)})


class ModeratedReport(BaseModel):
    """A report as a moderator sees it."""

    id: str
    text: str
    sender: SenderOut | None
    received_at: datetime
    language: str
    source: str
    status: Status
    claimed_category: Category | None
    claimed_topic: str | None
    category: Category | None
    topic: str | None
    labelled_by: str | None
    labelled_at: datetime | None
    campaign: Annotated[str | None, Field(description="missing for a moment, until the report is grouped")]
    created_at: datetime

    @classmethod
    def of(cls, report: StoredReport) -> Self:
        """Gives what a moderator sees."""
        return cls.model_validate(
            {
                **vars(report),
                "sender": _sender(report),
                "status": report.status,
                "campaign": None if report.campaign is None else campaign_name(report.campaign),
            }
        )


class ReportPage(BaseModel):
    """Some reports, newest first."""

    items: list[ModeratedReport]
    next_cursor: str | None


class ReportQuery(PageQuery):
    """Which reports."""

    category: Annotated[Category | None, Field(description="verified label")] = None
    status: Status | None = None
    source: Name | None = None
    campaign: CampaignId | None = None
    q: Annotated[str | None, AfterValidator(lambda q: q and _storable(q)), Field(max_length=100)] = None


class LabelIn(BaseModel):
    """What a report is."""

    model_config = ConfigDict(extra="forbid", use_enum_values=True)

    category: Category
    topic: Topic | None = None


class LabelCount(BaseModel):
    """How many reports have a label."""

    verified: int


class CampaignOut(BaseModel):
    """Near-copies of one message."""

    id: str
    reports: int
    reporters: Annotated[int, Field(description="how many different people or sources reported it")]
    by_category: dict[str, int]
    first_received_at: datetime
    last_received_at: datetime
    example: Annotated[str, Field(description="one of the texts, masked")]

    @classmethod
    def of(cls, campaign: Campaign) -> Self:
        """Gives what a moderator sees."""
        return cls.model_validate({**vars(campaign), "id": campaign_name(campaign.id)})


class CampaignPage(BaseModel):
    """Some campaigns, the largest first."""

    items: list[CampaignOut]
    next_cursor: str | None


class SnapshotOut(BaseModel):
    """An immutable data set."""

    id: str
    digest: Annotated[str, Field(description="sha256:... of the Parquet file")]
    created_at: datetime
    reports: int
    by_category: dict[str, int]
    held_out: Annotated[int, Field(description="how many reports are kept for measuring")]
    bytes: int

    @classmethod
    def of(cls, snapshot: Snapshot) -> Self:
        """Gives what clients see."""
        return cls.model_validate(vars(snapshot))


class SnapshotPage(BaseModel):
    """Some snapshots, newest first."""

    items: list[SnapshotOut]
    next_cursor: str | None


class ImportQuery(BaseModel):
    """Where the lines of an import come from."""

    source: Annotated[Name, Field(description="name of where the reports come from")]
    source_kind: SourceKind = SourceKind.OPERATOR
    format: Annotated[Literal["jsonl", "csv"] | None, Field(description="told by the Content-Type if missing")] = None
    labelled: Annotated[bool, Field(description="whether categories are verified labels, or claims only")] = True
    weight: Annotated[
        float | None, Field(gt=0, le=1, description="how much a report of a corpus weighs in a snapshot; 1 at first")
    ] = None
