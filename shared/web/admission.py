"""Who may call a view, how much it reads, and JSON that is safe to store."""

import inspect
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeVar

from flask import Flask, current_app, g, request

from shared.auth import KeyRing, Principal, Scope
from shared.problems import Problem
from shared.web.body import read_to_the_end

MAX_JSON_BYTES: Final = 64 * 1024
"""The longest body of a view that does not say otherwise."""

UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
"""NUL, which PostgreSQL cannot store, and surrogates, which UTF-8 cannot write."""

BEARER: Final[list[dict[str, list[Any]]]] = [{"bearer": []}]
"""The `security` of every operation that needs a key, for the OpenAPI document."""

View = TypeVar("View", bound=Callable[..., Any])


def requires(*scopes: Scope) -> Callable[[View], View]:
    """Lets only holders of a key with one of the scopes call the view; checked before the request is read."""

    def mark(view: View) -> View:
        view.quietline_scopes = scopes  # type: ignore[attr-defined]
        return view

    return mark


def public(view: View) -> View:
    """Lets anyone call the view."""
    return requires()(view)


def accepts_up_to(max_bytes: int | None) -> Callable[[View], View]:
    """Sets the view's own limit for the body in bytes; None for a stream of any length."""

    def mark(view: View) -> View:
        view.quietline_max_bytes = max_bytes  # type: ignore[attr-defined]
        return view

    return mark


def principal() -> Principal:
    """The holder of the key that this request came with."""
    found: Principal = g.principal
    return found


def admit_only_holders(api: Flask, keys: KeyRing) -> None:
    """Checks key, scope, length and JSON of every request before its view is called."""

    @api.before_request
    def admit() -> None:
        view = current_app.view_functions.get(request.endpoint or "")
        if view is None:
            return
        scopes = getattr(view, "quietline_scopes", ())
        if scopes:
            g.principal = _holder(keys, scopes)
        read_to_the_end(request.environ)
        request.max_content_length = getattr(view, "quietline_max_bytes", MAX_JSON_BYTES)
        if request.max_content_length is not None:
            request.max_form_memory_size = request.max_content_length  # one limit, which the refusal names
        if _takes_body(view):
            _read_json()


@cache
def _takes_body(view: Callable[..., Any]) -> bool:
    return "body" in inspect.signature(view).parameters


def _holder(keys: KeyRing, scopes: tuple[Scope, ...]) -> Principal:
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    holder = keys.find(key.strip()) if kind.lower() == "bearer" else None
    if holder is None:
        detail = "Send the header `Authorization: Bearer <key>` with a key of this suite."
        raise Problem("key-needed", "A key is missing or unknown", 401, detail, headers={"WWW-Authenticate": "Bearer"})
    if not any(holder.may(scope) for scope in scopes):
        detail = f"This needs a key with the scope {' or '.join(scopes)}."
        raise Problem("scope-needed", "The key lacks the scope", 403, detail)
    return holder


def _read_json() -> None:
    """Parses the body before the view's model sees it, so that what is no JSON gets words of its own."""
    if not request.is_json:
        raise Problem(
            "json-needed", "The body must be JSON", 415, "Send `Content-Type: application/json` and a JSON object."
        )
    raw = request.get_data(cache=True)
    if not raw:
        raise Problem("empty-body", "The body is empty", 400, "Send a JSON object.")
    try:
        content = json.loads(raw)
    except RecursionError as error:
        raise Problem("nested-too-deep", "The JSON is nested too deep", 400) from error
    except ValueError as error:
        raise Problem("malformed-json", "The body is no JSON", 400, "It could not be parsed as JSON.") from error
    if not isinstance(content, dict):
        raise Problem("object-needed", "The body must be a JSON object", 422)
    if has_unstorable_text(content):
        raise Problem(
            "unstorable-text",
            "A text holds a character that cannot be stored",
            422,
            "Leave out NUL characters and surrogates without their partner.",
        )


def has_unstorable_text(content: Any) -> bool:
    """Tells whether a JSON value holds NUL or a lone surrogate, in a key or a value; no database stores both."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.keys())
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str) and not is_storable(value):
            return True
    return False


def is_storable(text: str) -> bool:
    """Tells whether every database that we use can store the text."""
    return UNSTORABLE.search(text) is None
