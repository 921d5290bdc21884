"""Labelled messages, from a folder of JSONL."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.training.folders import FolderError, read_file
from shared.categories import HARASSMENT, LEGITIMATE, Category
from shared.redaction import fill

HARASSMENT_LABELS: Final = (*(category.value for category in HARASSMENT), "porn_soft", "porn_coded")
"""`porn_soft` is hostess advertising of nightclubs, `porn_coded` speaks of tea and dishes: both are kinds of porn."""

LEGITIMATE_LABELS: Final = (*(category.value for category in LEGITIMATE), "legitimate")
"""`legitimate` is personal or transactional, not told apart."""

MARKETING_LABELS: Final = (Category.PROMOTION.value, "spam")
"""`spam` is marketing and worse, not told apart, nearly all of it marketing."""

LABELS: Final = (*LEGITIMATE_LABELS, *MARKETING_LABELS, *HARASSMENT_LABELS)

_LONGEST_SOURCE: Final = 64


@dataclass(frozen=True)
class LabelledMessage:
    """A message, what it is, and where it comes from."""

    text: str
    label: str
    source: str

    @property
    def is_harassment(self) -> bool:
        """Whether it should be caught."""
        return self.label in HARASSMENT_LABELS

    @property
    def is_legitimate(self) -> bool:
        """Whether it must not be caught; marketing is neither."""
        return self.label in LEGITIMATE_LABELS


def read_messages(data: Path, on_progress: Callable[[int, int, str | None], None]) -> list[LabelledMessage]:
    """Reads every `*.jsonl` of a folder, in the order of the names.

    A line is `{"text", "label" or "category", "source"?}`; without a source the file's name is one. Slots of masked
    texts are filled with invented values, so that the scorer meets what phones meet.

    Raises:
        FolderError: if there is no message, or at the first line that cannot be used.
    """
    paths = sorted(data.glob("*.jsonl"))
    if not paths:
        below = next(data.rglob("*.jsonl"), None)
        raise FolderError(f"{data} holds no .jsonl file{f'; {below.parent} holds some' if below else ''}")
    messages: list[LabelledMessage] = []
    for number, path in enumerate(paths):
        on_progress(number, len(paths), path.name)
        messages += read_file(path, _reader(path.stem))
    if not messages:
        raise FolderError(f"{data} holds no messages: its .jsonl files are empty")
    return messages


def _reader(name: str) -> Callable[[int, dict[str, Any]], LabelledMessage]:
    """Gives what reads a line of a file that is called so."""
    default = "".join(character if character.isprintable() else "\ufffd" for character in name)[:_LONGEST_SOURCE]
    return lambda number, row: _read(row, default, f"{name}/{number}")


def _read(row: dict[str, Any], default_source: str, seed: str) -> LabelledMessage:
    text, label = row.get("text", row.get("body")), row.get("label", row.get("category"))
    if not isinstance(text, str):
        raise FolderError("it has no `text`")
    if not isinstance(label, str) or label not in LABELS:
        fault = "it has no `label`" if label is None or label == "" else "its `label` is unknown"
        raise FolderError(f"{fault}; give it one of {', '.join(LABELS)}")
    source = row.get("source") or default_source
    if not isinstance(source, str) or not source.isprintable() or len(source) > _LONGEST_SOURCE:
        raise FolderError(f"its `source` must be a name of at most {_LONGEST_SOURCE} printable characters")
    return LabelledMessage(fill(text, seed=seed), label, source)
