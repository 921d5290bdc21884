"""Counts a corpus: how many messages of what kind, in which language, how long; and which targets it meets."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from services.ingestion.starter_corpus.check import LONGEST, SHORTEST, Findings
from services.ingestion.starter_corpus.scenarios import FEWEST, LANGUAGES, Corpus, Message
from shared.categories import PROTECTED_TOPICS, Category

QUANTILES: Final = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)

LEAST_DISTINCT: Final = 9000
LEAST_SCENARIOS: Final = 250
LEAST_PAIRS: Final = 300
LEAST_DISGUISED: Final = 400
WANTED_SHARES: Final = {"zh-Hans": 0.75, "zh-Hant": 0.10, "en": 0.15}
SHARE_TOLERANCE: Final = 0.05


@dataclass(frozen=True)
class Cell:
    """The messages of one category in one language.

    Attributes:
        category: what they are.
        language: what they are written in.
        scenarios: files of this category; those of hard pairs belong to none.
        messages: the twins of hard pairs included.
        distinct: near-copies counted once.
        disguised: spelled to get past filters.
        twins: in a hard pair.
    """

    category: Category
    language: str
    scenarios: int
    messages: int
    distinct: int
    disguised: int
    twins: int


@dataclass(frozen=True)
class Target:
    """What the corpus ought to be, what it is, and whether that will do."""

    name: str
    wanted: str
    found: str
    is_met: bool


@dataclass(frozen=True)
class Survey:
    """The figures of a corpus.

    Attributes:
        cells: by category and language, those without a message left out.
        scenarios: files, those of hard pairs left out.
        pair_files: files of hard pairs.
        messages: all of them.
        distinct: near-copies counted once.
        disguised: spelled to get past filters.
        pairs: hard pairs; `sharing_pairs` of them share most of their words.
        lengths: code points at each of `QUANTILES`; `shorter` and `longer` are outside of 8 to 300.
        shares: of the languages in all messages.
        topics: messages of each topic.
    """

    cells: Sequence[Cell]
    scenarios: int
    pair_files: int
    messages: int
    distinct: int
    disguised: int
    pairs: int
    sharing_pairs: int
    lengths: Mapping[float, int]
    shorter: int
    longer: int
    shares: Mapping[str, float]
    topics: Mapping[str, int]
    targets: Sequence[Target]


def survey(corpus: Corpus, findings: Findings) -> Survey:
    """Counts what was read."""
    messages = corpus.messages
    distinct = [message for place, message in enumerate(messages) if findings.copies.first[place] == place]
    lengths = np.array([len(message.text) for message in messages] or [0])
    languages = Counter(message.language for message in messages)
    counted = Survey(
        cells=_cells(corpus, distinct),
        scenarios=sum(not scenario.is_pairs for scenario in corpus.scenarios),
        pair_files=sum(scenario.is_pairs for scenario in corpus.scenarios),
        messages=len(messages),
        distinct=len(distinct),
        disguised=sum(message.disguised for message in messages),
        pairs=len({message.pair for message in messages} - {None}),
        sharing_pairs=len(findings.sharing_pairs),
        lengths=dict(zip(QUANTILES, np.quantile(lengths, QUANTILES).astype(int).tolist(), strict=True)),
        shorter=int((lengths < SHORTEST).sum()),
        longer=int((lengths > LONGEST).sum()),
        shares={language: languages[language] / max(1, len(messages)) for language in LANGUAGES},
        topics=dict(Counter(message.topic for message in messages if message.topic).most_common()),
        targets=(),
    )
    return _with_targets(counted, min((len(scenario.messages) for scenario in corpus.scenarios), default=0))


def _cells(corpus: Corpus, distinct: Iterable[Message]) -> list[Cell]:
    def kinds(messages: Iterable[Message]) -> Counter[tuple[Category, str]]:
        return Counter((message.category, message.language) for message in messages)

    scenarios = kinds(scenario.messages[0] for scenario in corpus.scenarios if not scenario.is_pairs)
    everything, once = kinds(corpus.messages), kinds(distinct)
    disguised = kinds(message for message in corpus.messages if message.disguised)
    twins = kinds(message for message in corpus.messages if message.pair)
    return [
        Cell(category, language, scenarios[kind], everything[kind], once[kind], disguised[kind], twins[kind])
        for category in Category
        for language in LANGUAGES
        if everything[kind := (category, language)]
    ]


def _with_targets(counted: Survey, smallest: int) -> Survey:
    """Holds the figures against what a corpus needs to teach by itself."""
    missing = [topic for topic in PROTECTED_TOPICS if topic not in counted.topics]
    targets = [
        _at_least("different messages", LEAST_DISTINCT, counted.distinct),
        _at_least("scenarios", LEAST_SCENARIOS, counted.scenarios),
        _at_least("messages in the smallest scenario", FEWEST, smallest),
        *(
            Target(
                f"share of {language}",
                f"{share:.0%} ± {SHARE_TOLERANCE:.0%}",
                f"{counted.shares[language]:.1%}",
                abs(counted.shares[language] - share) <= SHARE_TOLERANCE,
            )
            for language, share in WANTED_SHARES.items()
        ),
        _at_least("hard pairs that share most of their words", LEAST_PAIRS, counted.sharing_pairs),
        _at_least("disguised messages", LEAST_DISGUISED, counted.disguised),
        Target("messages longer than 300 characters", "none", f"{counted.longer:,}", not counted.longer),
        Target("protected topics without a message", "none", ", ".join(missing) or "none", not missing),
    ]
    return replace(counted, targets=targets)


def _at_least(name: str, wanted: int, found: int) -> Target:
    return Target(name, f"at least {wanted:,}", f"{found:,}", found >= wanted)
