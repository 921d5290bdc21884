"""The starter corpus: invented messages that a first model learns from; README.md says how to add a scenario."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

from services.ingestion.starter_corpus.scenarios import Corpus, Message, read_scenarios
from services.ingestion.starter_corpus.slots import invent_sender
from shared.redaction.drawing import Draw

FIRST_DAY: Final = datetime(2022, 1, 1, tzinfo=UTC)
MINUTES: Final = 700 * 24 * 60


class StarterCorpusError(Exception):
    """A scenario file cannot be read; the text says which and why, and `quietline corpus check` says it of all."""


def starter_corpus_folder() -> Traversable:
    """Gives the folder that the corpus is installed in."""
    return files(__package__)


def read_starter_corpus() -> Iterator[bytes]:
    """Gives the corpus as lines for `POST /v1/reports:import`, the same bytes every time.

    Every slot is filled with invented names and numbers; what it gets depends on the message's id alone. The twins of a
    hard pair carry one campaign, so that both are learned from or both are held out.

    Raises:
        StarterCorpusError: if a scenario cannot be read as it is.
    """
    corpus = read_scenarios([starter_corpus_folder()])
    if corpus.faults:
        raise StarterCorpusError(f"{corpus.faults[0].file}: {corpus.faults[0].words}")
    for line in lines_of(corpus):
        yield json.dumps(line, ensure_ascii=False).encode() + b"\n"


def lines_of(corpus: Corpus) -> Iterable[dict[str, Any]]:
    """Gives a line for each message, in the form that ingestion imports."""
    return map(_line, corpus.messages)


def _line(message: Message) -> dict[str, Any]:
    draw = Draw(f"time of {message.id}")
    line = {
        "id": message.id,
        "text": message.text,
        "sender": invent_sender(message.category, message.id, message.language),
        "received_at": (FIRST_DAY + timedelta(minutes=draw.below(MINUTES))).isoformat(),
        "category": message.category,
    }
    if message.topic:
        line["topic"] = message.topic
    if message.pair:
        line["campaign"] = message.pair
    return line
