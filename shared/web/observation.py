"""What a service tells about itself: request ids, logs and metrics."""

import logging
import sys
import time
from typing import Final

import structlog
from flask import Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST
from structlog.contextvars import get_contextvars

from shared.web.admission import public
from shared.web.metrics import Metrics
from shared.web.trail import REQUEST_HEADER, RUN_HEADER, bind_trail, unbind_trail

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Any other word in the place of a method is the client's own, and is neither logged nor counted by."""
OTHER: Final = "other"

log = structlog.get_logger()


def request_id() -> str:
    """The id of this request, which is in its logs, its answer and its calls to peers."""
    found: str = g.request_id
    return found


def observe(api: Flask, service: str, metrics: Metrics) -> None:
    """Gives every request an id, a log line and its place in the counts."""
    count = metrics.counter("http_requests_total", "Requests answered", ["method", "route", "status"])
    seconds = metrics.histogram("http_request_seconds", "Time until an answer begins", ["route"])

    @api.before_request
    def start() -> None:
        g.trail = bind_trail(service, request.headers.get(REQUEST_HEADER), request.headers.get(RUN_HEADER))
        g.request_id = get_contextvars()["request_id"]
        g.started_at_seconds = time.perf_counter()

    @api.teardown_request
    def end(_error: BaseException | None) -> None:
        unbind_trail(g.pop("trail", {}))

    @api.after_request
    def finish(response: Response) -> Response:
        response.headers[REQUEST_HEADER] = g.request_id
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        method = request.method if request.method in METHODS else OTHER
        route = request.url_rule.rule if request.url_rule else OTHER
        elapsed_seconds = time.perf_counter() - g.started_at_seconds
        count.labels(method, route, response.status_code).inc()
        seconds.labels(route).observe(elapsed_seconds)
        log.info(
            "request",
            method=method,
            route=route,
            status=response.status_code,
            milliseconds=round(elapsed_seconds * 1000, 1),
        )
        return response

    @api.get("/metrics", doc_ui=False)
    @public
    def metrics_page() -> Response:
        """Counts and times for Prometheus."""
        return Response(metrics.page(), content_type=CONTENT_TYPE_LATEST)


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
