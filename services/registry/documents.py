"""What travels over the registry's HTTP, in and out."""

from datetime import date, datetime
from typing import Annotated

from flask_openapi3 import FileStorage
from pydantic import BaseModel, ConfigDict, Field

from services.registry.releases import ChannelEventKind, ReleaseState
from shared.release_card import Version
from shared.web import PageQuery

ChannelName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,29}$", description="such as stable")]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class ReleasePath(BaseModel):
    """Names a release."""

    version: Version


class ChannelPath(BaseModel):
    """Names a channel."""

    name: ChannelName


class CandidateForm(BaseModel):
    """A candidate in three parts."""

    card: FileStorage = Field(description="the release card, JSON")
    evidence: FileStorage = Field(description="counts on held-out messages for the gate, JSON")
    model: FileStorage = Field(description="model.onnx.gz")


class PromoteBody(BaseModel):
    """What to offer, and to how many phones."""

    model_config = ConfigDict(extra="forbid")

    version: Version
    percentage: Annotated[int, Field(ge=1, le=100, description="100 ends a rollout: all phones get it")] = 100


class WithdrawBody(BaseModel):
    """Why a release is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, Field(min_length=1, max_length=500, description="kept in the history, read by operators")]


class HistoryQuery(PageQuery):
    """Which part of a channel's history."""

    on: Annotated[date | None, Field(description="only what happened up to the end of this day, UTC")] = None


class ReleaseAnswer(_Answer):
    """A candidate or release."""

    version: Version
    state: ReleaseState
    run_id: str
    submitted_at: datetime
    submitted_by: str
    reasons: list[str]
    notes: list[str]
    figures: dict[str, float | None]
    model_sha256: str
    model_length_bytes: int
    withdrawn_at: datetime | None
    withdrawn_reason: str | None


class ReleasesPage(_Answer):
    """Some releases, newest first."""

    items: list[ReleaseAnswer]
    next_cursor: str | None


class ChannelAnswer(_Answer):
    """What a channel offers now."""

    name: ChannelName
    release: Version | None
    candidate: Version | None
    percentage: int
    withdrawn: list[Version]


class ChannelsPage(_Answer):
    """Some channels, by name."""

    items: list[ChannelAnswer]
    next_cursor: str | None


class ApprovalAnswer(_Answer):
    """Who put a release into service, when, and on what figures."""

    approver: str
    at: datetime
    figures: dict[str, float | None]


class EventAnswer(_Answer):
    """One thing that happened to a channel, and what it offered from then on.

    `approval` is that of `release`, which after a rollback or a withdrawal is another one than `version`.
    """

    at: datetime
    event: ChannelEventKind
    version: Version | None
    percentage: int | None
    approver: str
    reason: str | None
    figures: dict[str, float | None]
    release: Version | None
    approval: ApprovalAnswer | None
    candidate: Version | None
    candidate_percentage: int


class HistoryPage(_Answer):
    """What happened to a channel, newest first; the first item says what was in service."""

    items: list[EventAnswer]
    next_cursor: str | None
