"""What tests of bulk files share."""

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
