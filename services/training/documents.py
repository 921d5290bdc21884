"""The shapes of requests and answers."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.training.recipe import Recipe
from services.training.runs import State, Step
from services.training.schedules import LATEST
from shared.web import PageQuery


class RunBody(BaseModel):
    """What to train on, and how."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"snapshot": "latest", "recipe": {"iterations": 80}}]}
    )

    snapshot: Annotated[
        str,
        Field(
            min_length=1,
            max_length=100,
            pattern=r"^[A-Za-z0-9._:-]+$",
            description="id of a snapshot of ingestion, or `latest`",
        ),
    ] = LATEST
    recipe: Annotated[
        Recipe, Field(default_factory=Recipe, description="settings that differ from the usual ones; none is needed")
    ]


class RunHeader(BaseModel):
    """Headers of a request for a run."""

    model_config = ConfigDict(populate_by_name=True)

    idempotency_key: Annotated[
        str | None,
        Field(
            alias="Idempotency-Key",
            min_length=1,
            max_length=200,
            pattern=r"^[\x21-\x7e]+$",
            description="the same key and body again give the same run instead of another one",
        ),
    ] = None


class RunPath(BaseModel):
    """Names a run."""

    run_id: Annotated[str, Field(max_length=64, description="id of the run")]


class RunsQuery(PageQuery):
    """Which runs to list."""

    state: Annotated[State | None, Field(description="only runs in this state")] = None


class EventsHeader(BaseModel):
    """Headers of a request for events."""

    model_config = ConfigDict(populate_by_name=True)

    last_event_id: Annotated[
        str | None,
        Field(
            alias="Last-Event-ID",
            max_length=20,
            description="id of the last event that was received; later ones follow",
        ),
    ] = None


class ProgressAnswer(BaseModel):
    """How far a step is."""

    step: Step
    done: int
    total: int
    note: str | None


class ProblemAnswer(BaseModel):
    """Why a run did not succeed."""

    type: str
    title: str
    detail: str
    reasons: list[str] = []


class RunAnswer(BaseModel):
    """A run."""

    id: str
    state: State
    step: Step | None
    progress: ProgressAnswer | None
    snapshot: str
    recipe: dict[str, Any]
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    release: str | None
    problem: ProblemAnswer | None


class RunsAnswer(BaseModel):
    """A page of runs, the newest first."""

    items: list[RunAnswer]
    next_cursor: str | None


EventKind = Literal["state", "progress", "log", "end"]
"""Kinds of events of a run."""
