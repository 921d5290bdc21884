"""Checks a corpus: what must be mended before anything is learned from it, and what somebody should look at.

Lengths are those of a message as it reaches a phone; copies and clauses those of it as written, where a slot counts as
one character, so that slots do not make messages different.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from services.ingestion.campaigns import normalise
from services.ingestion.starter_corpus.copies import Copies, find_copies
from services.ingestion.starter_corpus.numbers import real_looking_numbers
from services.ingestion.starter_corpus.scenarios import Corpus, Message, Remark
from services.ingestion.starter_corpus.slots import SLOT
from shared.categories import Category
from shared.folding import skeleton, table

SHORTEST: Final = 8
LONGEST: Final = 300
"""Code points of a message. People do write to each other in fewer, and a tease may be shorter too."""
LONG_CLAUSE: Final = {"zh-Hans": 12, "zh-Hant": 12, "en": 30}
"""Characters of a clause without white space from which on it is counted; 30 letters are five to eight English words,
and say about as much as 12 Chinese characters."""
CLAUSE_USES: Final = 5
"""Messages that such a clause may stand in."""
LEAST_SHARED: Final = 0.5
"""Share of the words of the shorter twin that the other has too, from which on they share most of their words."""

_CHINESE_BREAK: Final = re.compile(r"\{[a-z0-9]+\}|[^\w]+|_+")
_ENGLISH_BREAK: Final = re.compile(r"\{[a-z0-9]+\}|[^\w\s'’&-]+|[\n_]+")
_HAN: Final = re.compile("[\u3400-\u9fff]")
_WORD: Final = re.compile(r"[a-z]+(?:['’][a-z]+)*|[0-9]+")
_FEW_OF_OTHER_SCRIPT: Final = 2
_SHOWN: Final = 32
_PASSES: Final = 8

OnPass = Callable[[int, int], None]
"""Is told how many passes over the corpus are done, and how many there are."""


@dataclass(frozen=True)
class Findings:
    """What a check found.

    Attributes:
        faults: what must be mended.
        warnings: what somebody should look at.
        copies: the near-copies.
        sharing_pairs: ids of the hard pairs whose twins share most of their words.
    """

    faults: Sequence[Remark]
    warnings: Sequence[Remark]
    copies: Copies
    sharing_pairs: frozenset[str]


def check(corpus: Corpus, on_pass: OnPass = lambda _done, _passes: None) -> Findings:
    """Checks all that was read; what could not be read is among the faults too."""
    messages = corpus.messages
    on_pass(0, _PASSES)
    copies = find_copies(messages)
    overlaps = _overlaps(messages)
    faulty = (_too_long(messages), _wrong_scripts(messages), _near_copies(messages, copies), _worn_clauses(messages))
    doubtful = (_too_short(messages), _real_numbers(messages), _strangers(messages, overlaps))
    faults, warnings = list(corpus.faults), list[Remark]()
    passes = [*((faults, found) for found in faulty), *((warnings, found) for found in doubtful)]
    for done, (remarks, found) in enumerate(passes, 1):
        on_pass(done, _PASSES)
        remarks.extend(found)
    sharing = frozenset(pair for pair, share in overlaps.items() if share >= LEAST_SHARED)
    return Findings(sorted(faults, key=_place), sorted(warnings, key=_place), copies, sharing)


def clauses(message: Message) -> set[str]:
    """Gives the long clauses of a message, folded.

    Punctuation, line breaks and slots end a clause, in Chinese white space too; a number in it is one character.
    """
    breaks = _ENGLISH_BREAK if message.language == "en" else _CHINESE_BREAK
    least = LONG_CLAUSE[message.language]
    pieces = (normalise(piece) for piece in breaks.split(message.written) if len(piece) >= least)
    return {piece for piece in pieces if len(piece) >= least}


def _place(remark: Remark) -> tuple[str, list[str | int]]:
    parts = re.split("([0-9]+)", remark.message or "")
    return remark.file, [int(part) if number % 2 else part for number, part in enumerate(parts)]


def _about(message: Message, words: str) -> Remark:
    start = message.written if len(message.written) <= _SHOWN else message.written[:_SHOWN] + "…"
    return Remark(message.file, message.id, f"“{start}” {words}".replace("\n", " "))


def _too_long(messages: Iterable[Message]) -> Iterator[Remark]:
    for message in messages:
        if (length := len(message.text)) > LONGEST:
            yield _about(message, f"has {length} characters when its slots are filled; shorten it to {LONGEST}")


def _too_short(messages: Iterable[Message]) -> Iterator[Remark]:
    for message in messages:
        if (length := len(message.text)) < SHORTEST and message.category != Category.PERSONAL:
            yield _about(message, f"has {length} characters; fewer than {SHORTEST} say little to learn from")


@cache
def _scripts() -> tuple[frozenset[str], frozenset[str]]:
    """Gives the characters that only simplified, and only traditional writing has.

    One is the image of another under the folding table; GB 2312 and Big5 tell those apart that both writings have.
    """
    symbols = table()
    images = {chr(symbols[point]) for point in range(0x3400, 0xA000) if symbols[point] != point}
    simplified = {one for one in images if _HAN.match(one) and _has("gb2312", one) and not _has("big5", one)}
    folded = (chr(point) for point in range(0x3400, 0xA000) if symbols[point] != point)
    traditional = {one for one in folded if _has("big5", one) and not _has("gb2312", one)}
    return frozenset(simplified), frozenset(traditional)


def _has(encoding: str, character: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _wrong_scripts(messages: Iterable[Message]) -> Iterator[Remark]:
    """Finds what is wholly in another script than its file says; a disguise may be."""
    simplified, traditional = _scripts()
    for message in messages:
        if message.language == "en":
            if _HAN.search(message.text):
                yield _about(message, "has Chinese characters in an English file; move it, or write them out")
            continue
        if message.disguised:
            continue
        counts = [sum(map(script.__contains__, message.written)) for script in (simplified, traditional)]
        own, other = counts if message.language == "zh-Hans" else reversed(counts)
        if other >= _FEW_OF_OTHER_SCRIPT and not own:
            right, wrong = ("simplified", "traditional")[:: 1 if message.language == "zh-Hans" else -1]
            yield _about(message, f"is in {wrong} characters in a {message.language} file; write it in {right} ones")


def _near_copies(messages: Sequence[Message], copies: Copies) -> Iterator[Remark]:
    for place, earlier in copies.of_earlier.items():
        message, other = messages[place], messages[earlier]
        if message.category != other.category:
            words = f"is nearly {other.id}, but that is {other.category}; correct or rewrite one"
        else:
            words = f"is a near-copy of {other.id}; rewrite one, or take it out"
        yield _about(message, words)


def _worn_clauses(messages: Iterable[Message]) -> Iterator[Remark]:
    """Finds clauses that too many messages share, and names the messages that are too many."""
    uses: defaultdict[str, list[Message]] = defaultdict(list)
    for message in messages:
        for clause in clauses(message):
            uses[clause].append(message)
    for clause, users in uses.items():
        for message in users[CLAUSE_USES:]:
            first = ", ".join(user.id for user in users[:CLAUSE_USES])
            yield _about(message, f"has the clause “{clause}”, which {first} have already; say it in other words")


def _real_numbers(messages: Iterable[Message]) -> Iterator[Remark]:
    for message in messages:
        for number, kind, slot in real_looking_numbers(SLOT.sub("⟦name:1⟧", message.written)):
            yield _about(message, f"has {number}, which may be somebody's {kind}; write {slot} or an impossible one")


def _overlaps(messages: Iterable[Message]) -> dict[str, float]:
    """Gives for each pair the share of the words of the shorter twin that the longer one has too.

    Words are characters in Chinese, and what stands between spaces and signs in English; slots count as one word.
    """
    twins: defaultdict[str, list[Counter[str]]] = defaultdict(list)
    for message in messages:
        if message.pair is not None:
            text = SLOT.sub(" 0 ", message.written)
            words = _WORD.findall(text.lower()) if message.language == "en" else skeleton(text)
            twins[message.pair].append(Counter(words))
    return {
        pair: (both[0] & both[1]).total() / max(1, min(both[0].total(), both[1].total()))
        for pair, both in twins.items()
        if len(both) > 1
    }


def _strangers(messages: Iterable[Message], overlaps: dict[str, float]) -> Iterator[Remark]:
    for message in messages:
        share = overlaps.get(message.pair or "", 1.0)
        if message.is_harassment and share < LEAST_SHARED:
            yield _about(message, f"shares only {share:.0%} of its words with its twin; a hard pair shares most")
