"""NUS SMS Corpus (Chen and Kan, "Creating a Live, Public Short Message Service Corpus", 2013): XML, personal chat."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

from services.ingestion.importers.files import ImportFileError, line_of, unreadable
from shared.categories import Category
from shared.redaction.drawing import Draw

READ_BYTES: Final = 1 << 16
MAX_TEXT_LENGTH: Final = 10_000
MASKS: Final[dict[str, Callable[[Draw], str]]] = {
    "#": lambda draw: draw.text("123456789", 1) + draw.text("0123456789", draw.below(3)),
    "DECIMAL": lambda draw: f"{1 + draw.below(9)}.{draw.below(10)}",
    "TIME": lambda draw: f"{1 + draw.below(12)}:{draw.below(6)}{draw.below(10)}",
    "DATE": lambda draw: f"{1 + draw.below(28)}/{1 + draw.below(12)}",
    "IP": lambda draw: ".".join(str(1 + draw.below(254)) for _ in range(4)),
    "URL": lambda draw: f"⟦link:{12 + draw.below(14)}⟧",
    "EMAIL": lambda draw: f"⟦email:{13 + draw.below(8)}⟧",
    "NAME": lambda draw: f"⟦name:{draw.one((2, 3))}⟧",
}
MASK: Final = re.compile(f"<({'|'.join(map(re.escape, MASKS))})>")


class _Messages:
    """Collects the messages that the parser has come across since they were taken last."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._text: list[str] = []
        self._user: list[str] = []
        self._id = ""
        self.found: list[tuple[str, str, str]] = []
        self.is_corpus = False

    def start(self, name: str, attributes: dict[str, Any]) -> None:
        self._path.append(name)
        self.is_corpus |= name == "smsCorpus"
        if name == "message":
            self._id = attributes.get("id", "")
            self._text, self._user = [], []

    def end(self, name: str) -> None:
        self._path.pop()
        if name == "message":
            self.found.append((self._id, "".join(self._text).strip(), "".join(self._user).strip()))

    def characters(self, text: str) -> None:
        target = {"text": self._text, "userID": self._user}.get(self._path[-1] if self._path else "")
        if target is not None and len(target) < MAX_TEXT_LENGTH:
            target.append(text)

    def refuse(self, *_declaration: object) -> None:
        """Refuses entities: a few of them can stand for gigabytes, or for files of this machine."""
        raise ImportFileError("the XML declares entities, which are refused; the corpus has none")


def read_nus(path: Path) -> Iterator[bytes]:
    """Gives the messages as they are read; the file is never in memory as a whole.

    Raises:
        ImportFileError: if the file cannot be read, is no XML of this corpus, or declares entities.
    """
    messages = _Messages()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = messages.start
    parser.EndElementHandler = messages.end
    parser.CharacterDataHandler = messages.characters
    parser.EntityDeclHandler = messages.refuse
    try:
        with path.open("rb") as file:
            while block := file.read(READ_BYTES):
                parser.Parse(block)
                yield from _lines(messages)
            parser.Parse(b"", True)  # noqa: FBT003 - expat's own way to say that this is the end
    except OSError as error:
        raise unreadable(path, error) from error
    except expat.ExpatError as error:
        raise ImportFileError(f"{path.name}, line {error.lineno}: no well-formed XML") from error
    except ImportFileError as error:
        raise ImportFileError(f"{path.name}: {error}") from error
    if not messages.is_corpus:
        raise ImportFileError(f"{path.name} has no element smsCorpus; is it the XML of the NUS SMS Corpus?")


def _lines(messages: _Messages) -> Iterator[bytes]:
    for message_id, text, user in messages.found:
        if text:
            draw = Draw(message_id)
            rendered = MASK.sub(lambda found, draw=draw: MASKS[found[1]](draw), text)  # type: ignore[misc]
            yield line_of(id=message_id, text=rendered, category=Category.PERSONAL, reporter=user or None)
    messages.found.clear()
