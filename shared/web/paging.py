"""Lists in pages: a limit and an opaque cursor."""

import base64
import binascii
import json
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field

from shared.problems import Problem
from shared.web.admission import has_unstorable_text

MAX_PAGE: Final = 200


class PageQuery(BaseModel):
    """Which part of a list the client wants."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE, description="how many items at most")] = 50
    cursor: Annotated[str | None, Field(max_length=200, description="next_cursor of the page before")] = None


def encode_cursor(position: list[Any]) -> str:
    """Makes an opaque cursor from the sort key of a page's last item."""
    return base64.urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).decode()


def decode_cursor(cursor: str | None, types: tuple[type, ...]) -> list[Any] | None:
    """Reads a cursor back.

    Raises:
        Problem: 400, if it is not one that `encode_cursor` made of values of these types.
    """
    if cursor is None:
        return None
    try:
        position = json.loads(base64.b64decode(cursor.encode(), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _bad_cursor() from error
    if not isinstance(position, list) or [type(value) for value in position] != list(types):
        raise _bad_cursor()
    if has_unstorable_text(position):
        raise _bad_cursor()
    return position


def _bad_cursor() -> Problem:
    return Problem("bad-cursor", "The cursor is not one of ours", 400, "Use next_cursor of the page before, as it is.")
