"""What a service tells about itself: request ids, logs, metrics and health."""

import logging
import re
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from flask import Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DBAPIError

from shared.problems import Problem
from shared.web.admission import public

REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = structlog.get_logger()


def request_id() -> str:
    """The id of this request, which is in its logs, its answer and its calls to peers."""
    found: str = g.request_id
    return found


class Health(BaseModel):
    """Answer of the health endpoints."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok", "checks": {"database": "ok"}}]})

    status: str
    checks: dict[str, str] = {}


def observe(api: Flask) -> None:
    """Gives every request an id, a log line and its place in the counts."""
    metrics = CollectorRegistry()
    count = Counter("http_requests", "Requests answered", ["endpoint", "status"], registry=metrics)
    seconds = Histogram("http_request_seconds", "Time to answer", ["endpoint"], registry=metrics)

    @api.before_request
    def start() -> None:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        g.started_at_seconds = time.perf_counter()

    @api.after_request
    def finish(response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        endpoint = request.endpoint or "none"
        elapsed_seconds = time.perf_counter() - g.started_at_seconds
        count.labels(endpoint, response.status_code).inc()
        seconds.labels(endpoint).observe(elapsed_seconds)
        log.info(
            "request",
            request_id=g.request_id,
            method=request.method,
            route=request.url_rule.rule if request.url_rule else None,
            status=response.status_code,
            milliseconds=round(elapsed_seconds * 1000, 1),
        )
        return response

    @api.get("/metrics", doc_ui=False)
    @public
    def metrics_page() -> Response:
        """Counts and times for Prometheus."""
        return Response(generate_latest(metrics), content_type=CONTENT_TYPE_LATEST)


def answer_health(api: Flask, checks: Mapping[str, Callable[[], str | None]]) -> None:
    """Adds /healthz (the process answers) and /readyz (it can do its work)."""

    @api.get("/healthz", responses={200: Health}, summary="Is the process alive?")
    @public
    def healthz() -> dict[str, Any]:
        """Answers as long as the process can answer at all."""
        return {"status": "ok", "checks": {}}

    @api.get("/readyz", responses={200: Health}, summary="Can the service do its work?")
    @public
    def readyz() -> tuple[dict[str, Any], int] | Response:
        """Asks the database and what else the service needs; 503 says in words what is missing."""
        results = {name: _run_check(check) for name, check in checks.items()}
        if all(result == "ok" for result in results.values()):
            return {"status": "ok", "checks": results}, 200
        wrong = "; ".join(f"{name}: {result}" for name, result in results.items() if result != "ok")
        raise Problem("not-ready", "The service is not ready", 503, wrong, headers={"Retry-After": "5"})


def _run_check(check: Callable[[], str | None]) -> str:
    try:
        return check() or "ok"
    except (DBAPIError, OSError) as error:
        return f"failed ({type(error).__name__})"


def configure_logging() -> None:
    """Sends one JSON line an event to standard error. Entry points call it, never an import."""
    logging.basicConfig(level=logging.WARNING, format='{"event": "%(name)s", "level": "%(levelname)s"}')
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
