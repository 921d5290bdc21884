"""Lists in pages: a limit and an opaque cursor."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, Field

from shared.problems import Problem
from shared.web.admission import is_storable

MAX_PAGE: Final = 200
NUMBER_BITS: Final = 31
"""PostgreSQL compares an ordinary whole number with none that takes more, besides its sign; no list is so long."""

Item = TypeVar("Item")


class PageQuery(BaseModel):
    """Which part of a list the client wants."""

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE, description="how many items at most")] = 50
    cursor: Annotated[str | None, Field(max_length=200, description="next_cursor of the page before")] = None


def make_page(
    found: Sequence[Item], limit: int, show: Callable[[Item], Any], position: Callable[[Item], list[Any]]
) -> dict[str, Any]:
    """Makes the answer to a request for a page.

    Args:
        found: what the list holds from the page on, one item more than the limit if there are more pages.
        limit: how many items the client wants at most.
        show: gives what the client sees of an item.
        position: gives the sort key of an item, for the cursor.
    """
    shown = found[:limit]
    return {
        "items": [show(item) for item in shown],
        "next_cursor": encode_cursor(position(shown[-1])) if len(found) > limit else None,
    }


def encode_cursor(position: list[Any]) -> str:
    """Makes an opaque cursor from the sort key of a page's last item: whole numbers, texts and moments."""
    content = json.dumps(position, separators=(",", ":"), default=datetime.isoformat)
    return base64.urlsafe_b64encode(content.encode()).decode()


def decode_cursor(cursor: str | None, types: tuple[type, ...]) -> list[Any] | None:
    """Reads a cursor back.

    Args:
        cursor: what the client sent, if anything.
        types: of the values that are expected: `int`, `str` or `datetime`.

    Raises:
        Problem: 400, if it is not one that `encode_cursor` made of values of these types.
    """
    if cursor is None:
        return None
    try:
        position = json.loads(base64.b64decode(cursor.encode(), altchars=b"-_", validate=True))
        return [_read(value, kind) for value, kind in zip(position, types, strict=True)]
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise _bad_cursor() from error


def _read(value: Any, kind: type) -> Any:
    """Gives a value of a cursor.

    Raises:
        ValueError, TypeError, OverflowError: if it is none of this kind, or no database can compare it.
    """
    if kind is datetime:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError
        return moment.astimezone(UTC)
    if type(value) is not kind:
        raise TypeError
    if isinstance(value, int) and value.bit_length() > NUMBER_BITS:
        raise ValueError
    if isinstance(value, str) and not is_storable(value):
        raise ValueError
    return value


def _bad_cursor() -> Problem:
    return Problem("bad-cursor", "The cursor is not one of ours", 400, "Use next_cursor of the page before, as it is.")
