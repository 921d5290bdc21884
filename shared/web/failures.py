"""Every failure as one problem+json document, without internals and without what the client sent."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import structlog
from flask import Flask, Response, current_app, g, request
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from shared.database import DatabaseError, as_problem, is_storage_full, kind_of, storage_full
from shared.problems import PROBLEM_MEDIA_TYPE, Problem, ProblemDocument
from shared.web.body import ClientLeftError
from shared.web.faults import describe_faults, list_faults

ErrorTable = Mapping[type[Exception], tuple[str, str, int]]
"""A service's domain errors, each with the word, title and status of its problem."""

COME_AGAIN: Final = frozenset({429, 503, 507})
"""Statuses that say when to come again."""
RETRY_AFTER_SECONDS: Final = 5
"""When nobody knows better."""

log = structlog.get_logger()


def declared_errors() -> dict[str | int | HTTPStatus, type[BaseModel] | dict[Any, Any] | None]:
    """Gives the errors that any operation may answer with, for the OpenAPI document."""
    content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}}}
    titles = {
        "400": "The request cannot be read",
        "401": "A key is missing or unknown",
        "403": "The key lacks the scope",
        "404": "There is no such thing",
        "405": "The method does not fit",
        "409": "It conflicts with what is there",
        "410": "It was withdrawn",
        "411": "The length is missing",
        "413": "The body is too long",
        "415": "The media type does not fit",
        "422": "A value does not fit",
        "500": "Something went wrong on our side",
        "503": "The service is not ready",
        "507": "No room left",
    }
    return {status: {"description": title, "content": content} for status, title in titles.items()}


def _problem_response(problem: Problem) -> Response:
    document = problem.document(g.get("request_id"))
    response = current_app.response_class(
        json.dumps(document, ensure_ascii=False), problem.status, mimetype=PROBLEM_MEDIA_TYPE
    )
    response.headers.update(problem.headers)
    if problem.status in COME_AGAIN:
        response.headers.setdefault("Retry-After", str(RETRY_AFTER_SECONDS))
    return response


def refuse_invalid(error: ValidationError) -> Response:
    """Says which value does not fit and why, without repeating the value."""
    faults = list_faults(error)
    detail = describe_faults(faults)
    return _problem_response(Problem("invalid-value", "A value does not fit", 422, detail, extra={"faults": faults}))


def handle_errors(api: Flask, errors: ErrorTable) -> None:
    """Turns whatever a view raises into a problem."""
    api.register_error_handler(ClientLeftError, _on_client_left)
    api.register_error_handler(RequestEntityTooLarge, _on_too_long)

    @api.errorhandler(Problem)
    def on_problem(problem: Problem) -> Response:
        return _problem_response(problem)

    @api.errorhandler(HTTPException)
    def on_http_error(error: HTTPException) -> Response:
        if error.response is not None:
            return current_app.make_response(error.response)
        status = error.code or 500
        word = (error.name or "error").lower().replace(" ", "-")
        return _problem_response(Problem(word, error.name, status, error.description))

    @api.errorhandler(DBAPIError)
    @api.errorhandler(PoolTimeoutError)
    def on_database_error(error: DatabaseError) -> Response:
        log.error("database_error", kind=kind_of(error))
        return _problem_response(as_problem(error))

    @api.errorhandler(OSError)
    def on_os_error(error: OSError) -> Response:
        log.error("os_error", errno=error.errno)
        return _problem_response(storage_full() if is_storage_full(error) else internal_error())

    @api.errorhandler(Exception)
    def on_unexpected_error(error: Exception) -> Response:
        log.error("unexpected_error", kind=type(error).__name__, where=places_of(error))
        return _problem_response(internal_error())

    for kind, (word, title, status) in errors.items():

        def on_domain_error(error: Exception, word: str = word, title: str = title, status: int = status) -> Response:
            return _problem_response(Problem(word, title, status, str(error) or None))

        api.register_error_handler(kind, on_domain_error)


def client_left(detail: str) -> Problem:
    """What is said of a body that broke off, to whoever still listens."""
    return Problem("client-left", "The body broke off", 400, detail)


def _on_client_left(_error: Exception) -> Response:
    log.info("client_left")
    return _problem_response(client_left("Send the same request again."))


def _on_too_long(_error: Exception) -> Response:
    parts = f", in {request.max_form_parts} parts" if request.mimetype == "multipart/form-data" else ""
    detail = f"It may have {request.max_content_length} bytes at most{parts}."
    return _problem_response(Problem("request-entity-too-large", "The body is too long", 413, detail))


def internal_error() -> Problem:
    """What is said of a fault of ours."""
    return Problem(
        "internal-error", "Something went wrong on our side", 500, "Quote the request id when you ask for help."
    )


def places_of(error: BaseException) -> list[str]:
    """Names the places that an error came through, without its text, which may hold a message."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        places.append(f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}")
        trace = trace.tb_next
    return places[-5:]
