"""What a scorer answered, in counts. Pure: messages and answers in, figures out."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from services.training.figures import UNNAMED, Rate
from services.training.judging.figures import SCORE_BINS, Group, Mistake, MistakeCount, Scores, Summary
from services.training.judging.messages import (
    HARASSMENT_LABELS,
    LEGITIMATE_LABELS,
    MARKETING_LABELS,
    LabelledMessage,
)
from shared.categories import HARASSMENT, Action, Category


@dataclass(frozen=True)
class Answer:
    """What a scorer says of a message; `harassment` is the probability of all harassment together."""

    category: Category
    action: Action
    harassment: float

    @property
    def is_caught(self) -> bool:
        """Whether it is warned of or blocked as harassment."""
        return self.category in HARASSMENT and self.action is not Action.ALLOW

    @property
    def is_promotion(self) -> bool:
        """Whether it is called promotion."""
        return self.category is Category.PROMOTION

    @property
    def is_marketing_or_worse(self) -> bool:
        """Whether it is called promotion or harassment, whatever is done with it."""
        return self.category is Category.PROMOTION or self.category in HARASSMENT

    @property
    def taken_for(self) -> str:
        """The category; `unnamed` for harassment that is not acted on."""
        return UNNAMED if self.category in HARASSMENT and not self.is_caught else self.category.value


Decide = Callable[[str], Answer]
"""A scorer: any text in, an answer out."""

_SIGNS: Final[tuple[Callable[[Answer], bool], ...]] = (
    lambda answer: answer.is_caught,
    lambda answer: answer.is_marketing_or_worse,
    lambda answer: answer.is_promotion,
)


def count_groups(messages: Sequence[LabelledMessage], answers: Sequence[Answer]) -> tuple[Group, ...]:
    """Counts each label of each source, and after them each label of all sources."""
    sizes: Counter[tuple[str | None, str]] = Counter()
    signs = [Counter[tuple[str | None, str]]() for _ in _SIGNS]
    for message, answer in zip(messages, answers, strict=True):
        for source in (message.source, None):
            sizes[source, message.label] += 1
            for counted, has_sign in zip(signs, _SIGNS, strict=True):
                counted[source, message.label] += has_sign(answer)
    keys = sorted(sizes, key=lambda key: (key[0] is None, key[0] or "", key[1]))
    return tuple(
        Group(
            source=key[0],
            label=key[1],
            messages=sizes[key],
            caught=Rate.from_counts(signs[0][key], sizes[key]),
            marketing_seen=Rate.from_counts(signs[1][key], sizes[key]),
            as_promotion=Rate.from_counts(signs[2][key], sizes[key]),
        )
        for key in keys
    )


def summarise(groups: Iterable[Group]) -> tuple[Summary, ...]:
    """Adds up the labels of each source, in the order of the groups."""
    by_source: dict[str | None, list[Group]] = {}
    for group in groups:
        by_source.setdefault(group.source, []).append(group)
    return tuple(
        Summary(
            source=source,
            recall=Rate.sum(group.caught for group in own if group.label in HARASSMENT_LABELS),
            false_positives=Rate.sum(group.caught for group in own if group.label in LEGITIMATE_LABELS),
            as_promotion=Rate.sum(group.as_promotion for group in own if group.label in LEGITIMATE_LABELS),
            marketing_seen=Rate.sum(group.marketing_seen for group in own if group.label in MARKETING_LABELS),
            marketing_caught=Rate.sum(group.caught for group in own if group.label in MARKETING_LABELS),
        )
        for source, own in by_source.items()
    )


@dataclass(frozen=True, order=True)
class MistakeKind:
    """Mistakes that are counted together."""

    mistake: Mistake
    source: str
    label: str
    taken_for: str


def find_mistakes(
    messages: Iterable[LabelledMessage], answers: Iterable[Answer]
) -> Iterator[tuple[MistakeKind, LabelledMessage, Answer]]:
    """Gives each message that was mistaken for something else, with how."""
    for message, answer in zip(messages, answers, strict=True):
        mistake = _mistake_of(message, answer)
        if mistake is not None:
            yield MistakeKind(mistake, message.source, message.label, answer.taken_for), message, answer


def _mistake_of(message: LabelledMessage, answer: Answer) -> Mistake | None:
    if message.is_harassment:
        return None if answer.is_caught else Mistake.MISSED
    if answer.is_caught:
        return Mistake.FALSE_ALARM if message.is_legitimate else Mistake.MARKETING_CAUGHT
    if message.is_legitimate:
        return Mistake.AS_PROMOTION if answer.is_promotion else None
    return None if answer.is_marketing_or_worse else Mistake.MARKETING_UNSEEN


def count_mistakes(messages: Sequence[LabelledMessage], answers: Sequence[Answer]) -> tuple[MistakeCount, ...]:
    """Counts the mistakes by kind: the gravest kinds first, in each the most frequent."""
    sizes = Counter((message.source, message.label) for message in messages)
    counts = Counter(kind for kind, _, _ in find_mistakes(messages, answers))
    gravity = list(Mistake)
    ordered = sorted(counts.items(), key=lambda item: (gravity.index(item[0].mistake), -item[1], item[0]))
    return tuple(
        MistakeCount(
            mistake=kind.mistake,
            source=kind.source,
            label=kind.label,
            taken_for=kind.taken_for,
            rate=Rate.from_counts(count, sizes[kind.source, kind.label]),
        )
        for kind, count in ordered
    )


def count_scores(messages: Sequence[LabelledMessage], answers: Sequence[Answer]) -> Scores:
    """Counts how probable harassment was said to be."""
    bins = {labels: [0] * SCORE_BINS for labels in (HARASSMENT_LABELS, LEGITIMATE_LABELS, MARKETING_LABELS)}
    for message, answer in zip(messages, answers, strict=True):
        own = next(counts for labels, counts in bins.items() if message.label in labels)
        own[min(int(answer.harassment * SCORE_BINS), SCORE_BINS - 1)] += 1
    return Scores(
        harassment=tuple(bins[HARASSMENT_LABELS]),
        legitimate=tuple(bins[LEGITIMATE_LABELS]),
        marketing=tuple(bins[MARKETING_LABELS]),
    )
