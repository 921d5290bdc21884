"""gunicorn's threaded worker, without what it would tell of a request: neither in its log nor in its answers."""

import json
import secrets
import sys
from contextlib import suppress
from http import HTTPStatus
from socket import socket
from typing import Any, Final

import structlog
from gunicorn.glogging import Logger
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from shared.problems import PROBLEM_MEDIA_TYPE, Problem
from shared.web import internal_error, places_of

OUR_FAULTS: Final = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName, errors.ConfigurationProblem)
"""What gunicorn derives from the errors of clients, but is none of theirs."""

WORKER_BOOT_ERROR: Final = 3
"""gunicorn's own exit status for a worker that did not start, at which its master ends too."""

log = structlog.get_logger()


class QuietWorker(ThreadWorker):  # type: ignore[misc]
    """Answers what never reaches an app as a problem, and logs its kind only.

    gunicorn itself writes the request line and the client's address into its log, and both into its answer; a search
    that somebody typed unescaped, a name or a number, would stay there.
    """

    def handle_error(self, req: object, client: socket, addr: object, exc: BaseException) -> None:  # noqa: ARG002
        """Answers a request that could not be read, or whose app failed; gunicorn then closes the connection."""
        request_id = secrets.token_hex(8)
        problem = self._problem(exc)
        if problem.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("unexpected_error", request_id=request_id, kind=type(exc).__name__, where=places_of(exc))
        else:
            log.info("request_refused", request_id=request_id, kind=type(exc).__name__, status=problem.status)
        with suppress(OSError):  # the client may be gone
            client.sendall(_answer(problem, request_id))

    def _problem(self, error: BaseException) -> Problem:
        if isinstance(error, OUR_FAULTS) or not isinstance(error, errors.ParseException):
            return internal_error()
        if isinstance(error, errors.LimitRequestLine):
            detail = f"The request line may have {self.cfg.limit_request_line} bytes at most."
            return Problem("uri-too-long", "The address is too long", 414, detail)
        if isinstance(error, errors.LimitRequestHeaders):
            detail = (
                f"A request may have {self.cfg.limit_request_fields} header fields at most, "
                f"of {self.cfg.limit_request_field_size} bytes each."
            )
            return Problem("request-header-fields-too-large", "The header is too long", 431, detail)
        if isinstance(error, errors.ExpectationFailed):
            return Problem("expectation-failed", "The expectation cannot be met", 417)
        if isinstance(error, errors.UnsupportedTransferCoding):
            return Problem("not-implemented", "The transfer coding is not known", 501, "Send the body in plain chunks.")
        detail = "Send HTTP/1.1; write what is not ASCII in an address as %XX."
        return Problem("bad-request", "The request is no HTTP that can be read", 400, detail)


class QuietLogger(Logger):  # type: ignore[misc]
    """gunicorn's log without the words of errors, in which a message may stand."""

    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:  # noqa: ARG002
        """Logs the kind of the error under way and the places that it came through."""
        error = sys.exception()
        if error is not None:
            log.error("server_error", kind=type(error).__name__, where=places_of(error))


QUIET: Final[dict[str, Any]] = {
    "worker_class": QuietWorker,
    "logger_class": QuietLogger,
    "loglevel": "warning",
    "control_socket_disable": True,
}
"""What every server of ours tells gunicorn."""


def _answer(problem: Problem, request_id: str) -> bytes:
    body = json.dumps(problem.document(request_id), ensure_ascii=False).encode()
    head = (
        f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}",
        "Connection: close",
        f"Content-Type: {PROBLEM_MEDIA_TYPE}",
        f"Content-Length: {len(body)}",
        f"X-Request-Id: {request_id}",
        "X-Content-Type-Options: nosniff",
    )
    return "\r\n".join([*head, "", ""]).encode("ascii") + body
