"""What tests of bulk files share."""

from collections.abc import Callable

from sqlalchemy import func, select

from services.ingestion.store.tables import ReportRow
from shared.database import reading

GOOD = {"text": "您的快递已到驿站，请及时领取", "category": "transactional", "topic": "courier"}


def refusals(events):
    return {event["line"]: event["problem"]["detail"] for event in events if "line" in event}


def ended(**tally):
    nothing = {"read": 0, "accepted": 0, "refused": 0, "duplicates": 0, "without_category": 0, "unknown_columns": []}
    return {"done": True} | nothing | tally


def count_stored(ingestion) -> int:
    with reading(ingestion.engine) as session:
        return session.scalar(select(func.count()).select_from(ReportRow)) or 0


class Interrupted:
    """A body whose lines come one by one; before the last one, something happens."""

    def __init__(self, lines: list[bytes], happens: Callable[[], object]) -> None:
        self._lines, self._happens = lines, happens

    def read(self, _size: int = -1) -> bytes:
        if len(self._lines) == 1:
            self._happens()
        return self._lines.pop(0) if self._lines else b""

    @property
    def environment(self) -> dict[str, object]:
        """What the server says of such a body."""
        return {"wsgi.input": self, "wsgi.input_terminated": True}
