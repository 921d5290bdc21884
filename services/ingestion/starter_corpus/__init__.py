"""The starter corpus: invented messages that a first model learns from; README.md says how to add a scenario."""

import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

from services.ingestion.starter_corpus.slots import fill_slots, invent_sender
from shared.categories import LEGITIMATE
from shared.redaction.drawing import Draw

PAIRS: Final = "pairs"
FIRST_DAY: Final = datetime(2022, 1, 1, tzinfo=UTC)
MINUTES: Final = 700 * 24 * 60


def read_starter_corpus() -> Iterator[bytes]:
    """Gives the corpus as lines for `POST /v1/reports:import`, the same bytes every time.

    Every slot is filled with invented names and numbers; what it gets depends on the message's id alone. The twins of a
    hard pair carry one campaign, so that both are learned from or both are held out.
    """
    for scenario in _scenarios(files(__package__)):
        for line in _lines(scenario.name.removesuffix(".toml"), tomllib.loads(scenario.read_text("utf8"))):
            yield json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _scenarios(folder: Traversable) -> Iterator[Traversable]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _scenarios(entry)
        elif entry.name.endswith(".toml"):
            yield entry


def _lines(scenario: str, content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Gives the lines of one scenario; the twins of a pair share a campaign."""
    topic = content.get("topic")
    language = content["language"]
    if PAIRS in content:
        for number, pair in enumerate(content[PAIRS]):
            for category, message in pair.items():
                line = _line(f"{scenario}/{number}-{category}", message, language, category)
                if topic and category in LEGITIMATE:
                    line["topic"] = topic
                yield {**line, "campaign": f"{scenario}/{number}"}
        return
    numbered = {str(number): message for number, message in enumerate(content["messages"])}
    numbered |= {f"disguised-{number}": message for number, message in enumerate(content.get("disguised", []))}
    for name, message in numbered.items():
        line = _line(f"{scenario}/{name}", message, language, content["category"])
        yield {**line, "topic": topic} if topic else line


def _line(message_id: str, message: str, language: str, category: str) -> dict[str, Any]:
    draw = Draw(f"time of {message_id}")
    return {
        "id": message_id,
        "text": fill_slots(message, message_id, language),
        "sender": invent_sender(category, message_id, language),
        "received_at": (FIRST_DAY + timedelta(minutes=draw.below(MINUTES))).isoformat(),
        "category": category,
    }
