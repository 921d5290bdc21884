"""The ids by which one request, and one run, can be followed through the logs of all services.

They come in headers, are checked, are bound to everything that is logged while the request is answered, and go on to
whichever service is called meanwhile.
"""

import re
import secrets
from collections.abc import Iterator, Mapping
from contextvars import Token
from typing import Any, Final, TypeVar

from structlog.contextvars import bind_contextvars, bound_contextvars, get_contextvars, reset_contextvars

REQUEST_HEADER: Final = "X-Request-Id"
RUN_HEADER: Final = "X-Run-Id"
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
RUN_ID: Final = re.compile(r"[0-9a-f]{32}")

Item = TypeVar("Item")
Tokens = Mapping[str, Token[Any]]


def new_request_id() -> str:
    """Makes the id of a request that came without one."""
    return secrets.token_hex(8)


def bind_trail(service: str, given_request_id: str | None, given_run_id: str | None) -> Tokens:
    """Puts the service's name and the ids of a request into all that is logged from here on.

    An id that does not look like one is replaced, since what a stranger writes does not belong in a log.

    Returns:
        what `unbind_trail` needs in the end.
    """
    ids = {"service": service, "request_id": new_request_id()}
    if given_request_id is not None and REQUEST_ID.fullmatch(given_request_id):
        ids["request_id"] = given_request_id
    if given_run_id is not None and RUN_ID.fullmatch(given_run_id):
        ids["run_id"] = given_run_id
    return bind_contextvars(**ids)


def unbind_trail(tokens: Tokens) -> None:
    """Goes back to the ids that held before: in one process a service may be called while another one answers."""
    reset_contextvars(**tokens)


def carried_headers() -> dict[str, str]:
    """Gives the headers that a call to another service takes along: the ids that hold here, or a new one."""
    ids = get_contextvars()
    headers = {REQUEST_HEADER: ids.get("request_id") or new_request_id()}
    return headers | ({RUN_HEADER: ids["run_id"]} if "run_id" in ids else {})


def keep_trail(stream: Iterator[Item]) -> Iterator[Item]:
    """Gives a stream that is logged under the ids of its request, although it is read when that was answered."""
    ids = get_contextvars()
    while True:
        with bound_contextvars(**ids):
            try:
                item = next(stream)
            except StopIteration:
                return
        yield item
