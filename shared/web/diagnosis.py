"""A closer look at a service than readiness takes, for whoever operates it: what is wrong or soon will be, in words."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from flask import Flask
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, func, select

from shared.auth import Scope
from shared.database import DATABASE_ERRORS, kind_of
from shared.web.admission import BEARER, requires
from shared.web.disk import free_bytes
from shared.web.health import OK, Check, run_check

WARNING_BYTES: Final = 2 << 30
FAILED_BYTES: Final = 200 << 20
"""Less room than this is gone before anybody has looked."""
WARNING_CLOCK_SECONDS: Final = 5.0
FAILED_CLOCK_SECONDS: Final = 60.0


class State(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"  # it works, and somebody should look
    FAILED = "failed"  # something does not work


class Finding(BaseModel):
    """What one check found."""

    model_config = ConfigDict(frozen=True)

    check: str
    state: State
    words: str


class Diagnosis(BaseModel):
    """All that a service found of itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "service": "training",
                    "version": "0.1.0",
                    "at": "2025-06-01T12:00:00Z",
                    "findings": [{"check": "database", "state": "ok", "words": "ok"}],
                }
            ]
        }
    )

    service: str
    version: str
    at: datetime
    findings: list[Finding]


Look = Callable[[], tuple[State, str]]
"""Gives how bad it is, and why; may raise what databases and file systems raise."""


def answer_diagnosis(
    api: Flask, service: str, version: str, checks: Mapping[str, Check], looks: Mapping[str, Look]
) -> None:
    """Adds /v1/diagnosis: the checks of readiness, and whatever takes longer or is no reason to stop."""

    @api.get("/v1/diagnosis", responses={200: Diagnosis}, security=BEARER, summary="Look closely at the service")
    @requires(Scope.ADMIN)
    def diagnose() -> dict[str, Any]:
        """Asks all that can be asked, at once and however bad it is; `quietline doctor` shows it."""
        findings = [judge(name, run_check(check)) for name, check in checks.items()]
        findings += [_look(name, look) for name, look in looks.items()]
        found = Diagnosis(service=service, version=version, at=datetime.now(UTC), findings=findings)
        return found.model_dump(mode="json")


def judge(check: str, words: str) -> Finding:
    """Gives the finding of a check that is content or is not."""
    return Finding(check=check, state=State.OK if words == OK else State.FAILED, words=words)


def _look(name: str, look: Look) -> Finding:
    try:
        state, words = look()
    except DATABASE_ERRORS as error:
        state, words = State.FAILED, f"does not answer ({kind_of(error)})"
    except OSError as error:
        state, words = State.FAILED, f"failed ({type(error).__name__})"
    return Finding(check=name, state=state, words=words)


def look_at_room(place: str) -> tuple[State, str]:
    """Judges the room that is left for a folder."""
    free = free_bytes(place)
    if free is None:
        return State.OK, "an object store, which tells nobody"
    state = State.FAILED if free < FAILED_BYTES else State.WARNING if free < WARNING_BYTES else State.OK
    return state, f"{free / 1e9:.1f} GB free"


def look_at_clock(engine: Engine, now: Callable[[], datetime]) -> tuple[State, str]:
    """Compares the database's clock with ours."""
    if engine.dialect.name == "sqlite":
        return State.OK, "the database is a file, and has no clock of its own"
    with engine.connect() as connection:
        before = now()
        there: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        middle = before + (now() - before) / 2
    return judge_clock((there - middle).total_seconds(), "the database")


def judge_clock(seconds: float, whose: str) -> tuple[State, str]:
    """Judges by how much a clock is ahead of ours."""
    apart = abs(seconds)
    state = (
        State.FAILED if apart > FAILED_CLOCK_SECONDS else State.WARNING if apart > WARNING_CLOCK_SECONDS else State.OK
    )
    if state is State.OK:
        return state, f"{whose} agrees within {WARNING_CLOCK_SECONDS:.0f} s"
    return state, f"{whose} is {apart:.0f} s {'ahead' if seconds > 0 else 'behind'}"
