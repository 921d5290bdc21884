"""The starter corpus: invented messages that a first model learns from; README.md says how to add a scenario."""

import hashlib
import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final

from services.ingestion.starter_corpus.slots import fill_slots, invent_sender

PAIRS: Final = "pairs"
FIRST_DAY: Final = datetime(2024, 1, 1, tzinfo=UTC)
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


def _lines(name: str, scenario: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if PAIRS in scenario:
        for number, pair in enumerate(scenario[PAIRS]):
            for category, message in pair.items():
                message_id = f"{name}/{number}-{category}"
                is_legitimate = category in {"personal", "transactional"}
                topic = scenario.get("topic") if is_legitimate else None
                yield _line(message_id, message, category, topic, scenario["language"], f"{name}/{number}")
        return
    messages = [*scenario["messages"], *scenario.get("disguised", [])]
    for number, message in enumerate(messages):
        yield _line(
            f"{name}/{number}", message, scenario["category"], scenario.get("topic"), scenario["language"], None
        )


def _line(
    message_id: str, message: str, category: str, topic: str | None, language: str, campaign: str | None
) -> dict[str, Any]:
    minutes = int.from_bytes(hashlib.sha256(message_id.encode()).digest()[:8], "big") % MINUTES
    line = {
        "id": message_id,
        "text": fill_slots(message, message_id, language),
        "sender": invent_sender(category, topic, message_id, language),
        "received_at": (FIRST_DAY + timedelta(minutes=minutes)).isoformat(),
        "category": category,
        "topic": topic,
        "campaign": campaign,
    }
    return {key: value for key, value in line.items() if value is not None}
