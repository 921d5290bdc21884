"""Reads scenario files. What is wrong with one is said in words that its author can act on."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources.abc import Traversable
from typing import Any, Final

from services.ingestion.starter_corpus.slots import SLOT, fill_slots, slot_names
from shared.categories import HARASSMENT, LEGITIMATE, TOPICS, Category

PAIRS: Final = "pairs"
LANGUAGES: Final = ("zh-Hans", "zh-Hant", "en")
FEWEST: Final = 25
"""Messages that a scenario has at least."""

_KEYS: Final = {"category", "topic", "language", "messages", "disguised"}
_PAIR_KEYS: Final = {"language", "topic", PAIRS}
_BRACES: Final = re.compile(r"\{[^{}]*\}|[{}]")
_TWINS: Final = 2


@dataclass(frozen=True)
class Remark:
    """Something about a file, or about one message of it.

    Attributes:
        file: the file.
        message: id of the message; None if it is about the whole file.
        words: what is wrong, and what to do.
    """

    file: str
    message: str | None
    words: str


@dataclass(frozen=True)
class Message:
    """One message as its author wrote it.

    Attributes:
        id: `<scenario>/<n>`, `<scenario>/disguised-<n>`, or `<scenario>/<n>-<category>` of a pair.
        file: the file that it stands in.
        written: the text, with slots.
        pair: id of the pair that it is a twin of, `<scenario>/<n>`; None if it is none.
    """

    id: str
    file: str
    written: str
    category: Category
    language: str
    topic: str | None = None
    disguised: bool = False
    pair: str | None = None

    @cached_property
    def text(self) -> str:
        """The message as it reaches a phone; its id alone decides what slots become."""
        return fill_slots(self.written, self.id, self.language)

    @property
    def is_harassment(self) -> bool:
        """Tells whether it is what phones are to be spared."""
        return self.category in HARASSMENT


@dataclass(frozen=True)
class Scenario:
    """The messages of one file, in its order."""

    name: str
    file: str
    language: str
    messages: Sequence[Message]

    @property
    def is_pairs(self) -> bool:
        """Tells whether it holds hard pairs."""
        return self.messages[0].pair is not None


@dataclass(frozen=True)
class Corpus:
    """What was read, and what of it could not be: messages with a fault of their own are left out."""

    scenarios: Sequence[Scenario]
    faults: Sequence[Remark]

    @cached_property
    def messages(self) -> Sequence[Message]:
        """Every message of every scenario."""
        return [message for scenario in self.scenarios for message in scenario.messages]


def read_scenarios(roots: Iterable[Traversable]) -> Corpus:
    """Reads every `<category>/<name>.toml` below some folders, by name, and each file once.

    A root may also be such a file itself.
    """
    scenarios: list[Scenario] = []
    faults: list[Remark] = []
    files: dict[str, str] = {}
    for folder, entry in (found for root in roots for found in _files(root)):
        name, file = entry.name.removesuffix(".toml"), str(entry)
        if files.get(name) == file:
            continue
        if name in files:
            faults.append(Remark(file, None, f"another scenario has this name, in {files[name]}; give one a new name"))
            continue
        files[name] = file
        reader = _Reader(name, file, folder)
        scenario = reader.read(entry)
        faults += reader.faults
        if scenario is not None:
            scenarios.append(scenario)
    return Corpus(scenarios, faults)


def _files(root: Traversable, folder: str = "") -> Iterator[tuple[str, Traversable]]:
    """Gives the scenario files with the names of the folders that they lie in."""
    if root.is_file():
        parent = getattr(root, "parent", None)
        yield folder or (parent.resolve().name if parent is not None else ""), root
        return
    for entry in sorted(root.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _files(entry, entry.name)
        elif entry.name.endswith(".toml"):
            yield folder or root.name, entry


@dataclass(frozen=True)
class _Reader:
    """Reads one file, and goes on after a fault as far as it makes sense, so that an author sees all at once."""

    name: str
    file: str
    folder: str
    faults: list[Remark] = field(default_factory=list)

    def read(self, entry: Traversable) -> Scenario | None:
        try:
            content = tomllib.loads(entry.read_bytes().decode("utf8"))
        except UnicodeDecodeError:
            self._fault("it is not UTF-8; save it as UTF-8")
            return None
        except tomllib.TOMLDecodeError as error:
            self._fault(f'it is no TOML: {error}; inside "..." write \\" for a quotation mark and \\n for a line break')
            return None
        known = _PAIR_KEYS if self.folder == PAIRS else _KEYS
        if unknown := sorted(content.keys() - known):
            self._fault(f"it has the unknown key {', '.join(unknown)}; the known ones are {', '.join(sorted(known))}")
        language = content.get("language")
        if language not in LANGUAGES:
            self._fault(f"its language must be {', '.join(LANGUAGES[:-1])} or {LANGUAGES[-1]}")
            return None
        topic = content.get("topic")
        if topic is not None and topic not in TOPICS:
            self._fault(f"no topic is called {topic}; the topics are {', '.join(TOPICS)}")
            topic = None
        messages = (self._pairs if self.folder == PAIRS else self._messages)(content, language, topic)
        if messages is None:
            return None
        if len(messages) < FEWEST:
            self._fault(f"it has {len(messages)} messages that can be used; write at least {FEWEST}")
        return Scenario(self.name, self.file, language, messages) if messages else None

    def _messages(self, content: dict[str, Any], language: str, topic: str | None) -> list[Message] | None:
        category = content.get("category")
        if category not in set(Category):
            self._fault(f"its category must be one of {', '.join(Category)}")
            return None
        if category != self.folder:
            self._fault(f"its category is {category}, but it lies in the folder {self.folder}; move it, or correct it")
        if topic and category not in LEGITIMATE:
            self._fault(f"a topic is for {' and '.join(LEGITIMATE)} messages; leave it out")
        disguised = content.get("disguised", [])
        if disguised and category not in HARASSMENT:
            self._fault(f"`disguised` is for {', '.join(HARASSMENT)}; move the messages to `messages`")
        if not isinstance(messages := content.get("messages"), list) or not isinstance(disguised, list):
            self._fault('`messages` (and `disguised`) must be a list of texts: messages = ["…", "…"]')
            return None
        written = [(f"{self.name}/{number}", False, text) for number, text in enumerate(messages)]
        written += [(f"{self.name}/disguised-{number}", True, text) for number, text in enumerate(disguised)]
        return [
            Message(message_id, self.file, text, Category(category), language, topic, is_disguised)
            for message_id, is_disguised, text in written
            if self._is_usable(message_id, text, language)
        ]

    def _pairs(self, content: dict[str, Any], language: str, topic: str | None) -> list[Message] | None:
        pairs = content.get(PAIRS)
        if not isinstance(pairs, list) or not all(isinstance(pair, dict) for pair in pairs):
            self._fault("a file in the folder pairs has a table [[pairs]] for each pair")
            return None
        messages: list[Message] = []
        for number, pair in enumerate(pairs):
            pair_id = f"{self.name}/{number}"
            if unknown := sorted(pair.keys() - set(Category)):
                self._fault(f"no category is called {', '.join(unknown)}", pair_id)
                continue
            sides = Counter(category in HARASSMENT for category in pair)
            if len(pair) != _TWINS or sides[True] != 1:
                self._fault("a pair has one message of harassment and one that is none", pair_id)
                continue
            messages += [
                Message(
                    f"{pair_id}-{category}",
                    self.file,
                    text,
                    Category(category),
                    language,
                    topic if category in LEGITIMATE else None,
                    pair=pair_id,
                )
                for category, text in pair.items()
                if self._is_usable(f"{pair_id}-{category}", text, language)
            ]
        return messages

    def _is_usable(self, message_id: str, text: Any, language: str) -> bool:
        if not isinstance(text, str) or not text.strip():
            self._fault("it must be a text, and not an empty one", message_id)
            return False
        names = slot_names(language)
        for brace in _BRACES.findall(text):
            slot = SLOT.fullmatch(brace)
            if slot is None or slot[1] not in names:
                self._fault(f"{brace} is no slot; the slots are {' '.join(sorted(names))}", message_id)
                return False
        return True

    def _fault(self, words: str, message_id: str | None = None) -> None:
        self.faults.append(Remark(self.file, message_id, words))
