"""Whether a process is alive, and whether its service can do its work."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import Flask, Response
from pydantic import BaseModel, ConfigDict

from shared.database import DATABASE_ERRORS, kind_of
from shared.problems import Problem
from shared.web.admission import public

RETRY_AFTER_SECONDS: Final = 5
OK: Final = "ok"

Check = Callable[[], str | None]
"""Gives None, or what is wrong in words; may raise what databases and file systems raise."""


class Health(BaseModel):
    """Answer of the health endpoints."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok", "checks": {"database": "ok"}}]})

    status: str
    checks: dict[str, str] = {}


def answer_health(api: Flask, checks: Mapping[str, Check]) -> None:
    """Adds /healthz (the process answers) and /readyz (it can do its work)."""

    @api.get("/healthz", responses={200: Health}, summary="Is the process alive?")
    @public
    def healthz() -> dict[str, Any]:
        """Answers as long as the process can answer at all, and asks nobody."""
        return {"status": OK, "checks": {}}

    @api.get("/readyz", responses={200: Health}, summary="Can the service do its work?")
    @public
    def readyz() -> tuple[dict[str, Any], int] | Response:
        """Asks the database and what else the service needs; 503 says in words what is missing."""
        results = {name: run_check(check) for name, check in checks.items()}
        if all(result == OK for result in results.values()):
            return {"status": OK, "checks": results}, 200
        wrong = "; ".join(f"{name}: {result}" for name, result in results.items() if result != OK)
        raise Problem(
            "not-ready",
            "The service is not ready",
            503,
            wrong,
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
            extra={"checks": results},
        )


def run_check(check: Check) -> str:
    """Gives `ok`, or what is wrong in words; of an unexpected failure only its kind."""
    try:
        return check() or OK
    except DATABASE_ERRORS as error:
        return f"does not answer ({kind_of(error)})"
    except OSError as error:
        return f"failed ({type(error).__name__})"
