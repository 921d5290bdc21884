"""Turns what a client sends into a report that is fit to be stored: checked, masked, its language told."""

import hashlib
from array import array
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from services.ingestion.documents import BulkLine, ReportIn
from services.ingestion.languages import tell_language
from services.ingestion.reports import (
    EARLIEST,
    NewReport,
    SourceKind,
    bulk_report_id,
    check_received_at,
    check_text,
    content_key,
    hash_reporter,
    new_report_id,
)
from services.ingestion.senders import read_sender
from shared.redaction import mask

PLACES: Final = 1 << 20
PHONES: Final = "phones"
"""The source of single reports."""


@dataclass(frozen=True)
class BulkSource:
    """Where the lines of one import come from.

    Attributes:
        name: kept with every report.
        kind: operator, community or corpus.
        weight: how much a report weighs in a snapshot; None leaves what is known.
        labelled: whether the lines' categories are verified labels, or claims only.
    """

    name: str
    kind: SourceKind
    weight: float | None = None
    labelled: bool = True


class Occurrences:
    """Tells apart the lines of one import whose masked texts are equal though the texts are not.

    What was masked must leave no trace, not even a hash that one could try all codes against. So the lines are numbered
    as they come, and the same file gives the same numbers again. Memory is fixed: contents that share a place share
    the count, which does no harm.
    """

    def __init__(self) -> None:
        self._counts = array("I", bytes(4 * PLACES))
        self._last = array("Q", bytes(8 * PLACES))

    def number(self, content: str, text: str) -> int:
        """Gives the number of the line among those with the same content; a repeated text keeps its number."""
        place = _hash64(content) % PLACES
        seen = _hash64(text)
        if self._last[place] != seen:
            self._last[place] = seen
            self._counts[place] += 1
        return self._counts[place]


def _hash64(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def accept_single(report: ReportIn, holder: str, now: datetime) -> NewReport:
    """Gives the report that a phone sent.

    Args:
        report: what was sent.
        holder: name of the bearer key, which stands for the reporter if the report names none.
        now: what our clock says.

    Raises:
        IngestionError: if the text, the sender or the time is not acceptable.
    """
    check_text(report.body)
    sender = read_sender(report.sender)
    check_received_at(report.received_at, now)
    return NewReport(
        id=new_report_id(),
        text=mask(report.body, sender.value),
        language=tell_language(report.body),
        sender=sender,
        received_at=report.received_at,
        source=PHONES,
        reporter=hash_reporter(PHONES, f"token:{report.reporter}" if report.reporter else f"key:{holder}"),
        claimed_category=report.category,
        claimed_topic=report.topic,
        on_behalf_of=report.on_behalf_of,
    )


def accept_line(line: BulkLine, source: BulkSource, occurrences: Occurrences, now: datetime) -> NewReport:
    """Gives the report of one line of a bulk file.

    Args:
        line: what was sent.
        source: where the file comes from.
        occurrences: of this import.
        now: what our clock says.

    Raises:
        IngestionError: if the text, the sender or the time is not acceptable.
    """
    check_text(line.text)
    sender = read_sender(line.sender) if line.sender is not None else None
    received_at = line.received_at or now
    if received_at.tzinfo is None:
        received_at = received_at.replace(tzinfo=UTC)
    check_received_at(received_at, now, earliest=EARLIEST)
    masked = mask(line.text, sender.value if sender else None)
    said_at = received_at.isoformat() if line.received_at else None
    key = f"id:{line.id}"
    if line.id is None:
        key = content_key(masked, sender.value if sender else None, said_at, line.reporter)
        if masked != line.text:
            key += f"\0{occurrences.number(key, line.text)}"
    return NewReport(
        id=bulk_report_id(source.name, key),
        text=masked,
        language=tell_language(line.text),
        sender=sender,
        received_at=received_at,
        source=source.name,
        reporter=hash_reporter(source.name, line.reporter or ""),
        claimed_category=line.category,
        claimed_topic=line.topic,
        category=line.category if source.labelled else None,
        topic=line.topic if source.labelled and line.category else None,
        hint=line.campaign,
    )
