"""The same messages, as people write them who want to get past a filter, and what a scorer then says.

Families of `services.training.augmentation` are taken as they are, those that the model is taught and those that it
never saw. Besides, messages stand behind or before benign text, and are cut into two messages.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Final, Literal, Self

from services.training import augmentation
from services.training.figures import Rate
from services.training.fitting import OnProgress
from services.training.judging.counting import Answer, Decide, count_mistakes
from services.training.judging.figures import DisguiseJudgement
from services.training.judging.messages import LabelledMessage

KEPT_WANTED: Final = 0.97
"""Share of the clean recall that is wanted under a disguise."""
KEPT_HIDDEN_WANTED: Final = 0.9
"""The same behind or before benign text."""
HIT_WANTED: Final = 0.01
"""Share of equally disguised legitimate messages that may be caught."""

HIDDEN_LENGTHS: Final = (40, 200)
SAMPLED_PER_SOURCE: Final = 600
"""Legitimate messages of each source that are disguised, at most; harassment is disguised without exception."""

_SEED: Final = 6
_BLOCK: Final = 200

Write = Callable[[LabelledMessage, Random], Sequence[str]]
"""Writes a message in another way: as one text, or as several that arrive as messages of their own."""


@dataclass(frozen=True)
class _Disguise:
    name: str
    family: Literal["trained", "unseen", "hidden", "split"]
    write: Write
    kept_wanted: float | None = None
    hit_wanted: float | None = None


@dataclass(frozen=True)
class _Judged:
    """Messages with what is said of them clean and disguised."""

    messages: Sequence[LabelledMessage]
    clean: Sequence[Answer]
    disguised: Sequence[Answer]

    def caught(self, answers: Sequence[Answer], *, harassment: bool) -> list[bool]:
        """Tells what of the harassment, or of the legitimate messages, is caught."""
        return [
            answer.is_caught
            for message, answer in zip(self.messages, answers, strict=True)
            if message.is_harassment is harassment
        ]


def judge_disguises(
    messages: Sequence[LabelledMessage], answers: Sequence[Answer], decide: Decide, on_progress: OnProgress
) -> tuple[DisguiseJudgement, ...]:
    """Judges every disguise on all harassment and on a sample of the legitimate messages of each source.

    What is random depends on nothing but the messages and their order.

    Args:
        messages: the messages.
        answers: what the scorer says of each as it is.
        decide: the scorer.
        on_progress: is told how far it is.
    """
    sample = _sample(messages)
    chosen, clean = [messages[number] for number in sample], [answers[number] for number in sample]
    disguises = tuple(_disguises(messages, answers))
    results = []
    for place, disguise in enumerate(disguises):
        made: list[Answer] = []
        for number, message in zip(sample, chosen, strict=True):
            if len(made) % _BLOCK == 0:
                on_progress(place * len(sample) + len(made), len(disguises) * len(sample), disguise.name)
            random = augmentation.seeded(_SEED, disguise.name, number)
            made.append(most_harassing([decide(text) for text in disguise.write(message, random)]))
        results.append(_figures(disguise, _Judged(chosen, clean, made)))
    return tuple(results)


def most_harassing(answers: Sequence[Answer]) -> Answer:
    """Gives the answer that counts for several messages: one that was caught, then the most probable harassment."""
    return max(answers, key=lambda answer: (answer.is_caught, answer.harassment))


def benign_texts(messages: Sequence[LabelledMessage], answers: Sequence[Answer]) -> list[str]:
    """Gives the legitimate messages that the scorer leaves alone: nothing is caught for the sake of these."""
    return [
        message.text
        for message, answer in zip(messages, answers, strict=True)
        if message.is_legitimate and message.text.strip() and not answer.is_caught
    ]


def _sample(messages: Sequence[LabelledMessage]) -> list[int]:
    legitimate: dict[str, list[int]] = {}
    for number, message in enumerate(messages):
        if message.is_legitimate:
            legitimate.setdefault(message.source, []).append(number)
    numbers = [number for number, message in enumerate(messages) if message.is_harassment]
    for source, own in legitimate.items():
        numbers += augmentation.seeded(_SEED, "sample", source).sample(own, min(SAMPLED_PER_SOURCE, len(own)))
    return sorted(numbers)


def _disguises(messages: Sequence[LabelledMessage], answers: Sequence[Answer]) -> Iterator[_Disguise]:
    for name, disguise in augmentation.DISGUISES.items():
        family: Literal["trained", "unseen"] = "trained" if name in augmentation.TRAINED else "unseen"
        yield _Disguise(name, family, partial(_rewrite, disguise), KEPT_WANTED, HIT_WANTED)
    benign = _Benign.of(messages, answers)
    for length in HIDDEN_LENGTHS:
        yield _Disguise(f"behind_{length}", "hidden", partial(benign.before, length), KEPT_HIDDEN_WANTED)
        yield _Disguise(f"before_{length}", "hidden", partial(benign.after, length), KEPT_HIDDEN_WANTED)
    yield _Disguise("two_messages", "split", _cut)


def _rewrite(disguise: augmentation.Disguise, message: LabelledMessage, random: Random) -> Sequence[str]:
    return (disguise(message.text, random),)


@dataclass(frozen=True)
class _Benign:
    """Benign text to hide messages behind: of their own source if that has any, as it is in the same language then."""

    own: Mapping[str, Sequence[str]]
    others: Sequence[str]

    @classmethod
    def of(cls, messages: Sequence[LabelledMessage], answers: Sequence[Answer]) -> Self:
        """Takes it from the messages themselves, or if there is none from the polite phrases of disguises."""
        own: dict[str, list[str]] = {}
        for message, answer in zip(messages, answers, strict=True):
            own.setdefault(message.source, []).extend(benign_texts([message], [answer]))
        return cls(own, benign_texts(messages, answers) or augmentation.polite_phrases())

    def before(self, length: int, message: LabelledMessage, random: Random) -> Sequence[str]:
        """Puts so many benign characters before a message."""
        return (f"{self._text(length, message, random)} {message.text}",)

    def after(self, length: int, message: LabelledMessage, random: Random) -> Sequence[str]:
        """Puts so many benign characters after a message."""
        return (f"{message.text} {self._text(length, message, random)}",)

    def _text(self, length: int, message: LabelledMessage, random: Random) -> str:
        pool = self.own[message.source] or self.others
        text = random.choice(pool)
        while len(text) < length:
            text += f" {random.choice(pool)}"
        return text[:length]


def _cut(message: LabelledMessage, _random: Random) -> Sequence[str]:
    """Cuts a message in the middle; it counts as caught if either half is."""
    middle = len(message.text) // 2
    return (message.text[:middle], message.text[middle:]) if middle else (message.text,)


def _figures(disguise: _Disguise, judged: _Judged) -> DisguiseJudgement:
    before, after = (judged.caught(answers, harassment=True) for answers in (judged.clean, judged.disguised))
    hit_before, hit_after = (judged.caught(answers, harassment=False) for answers in (judged.clean, judged.disguised))
    still = [now for was, now in zip(before, after, strict=True) if was]
    return DisguiseJudgement(
        name=disguise.name,
        family=disguise.family,
        taught=disguise.family == "trained",
        caught=_rate(after),
        caught_undisguised=_rate(before),
        hit=_rate(hit_after),
        hit_undisguised=_rate(hit_before),
        still_caught=_rate(still),
        kept=sum(after) / sum(before) if any(before) else None,
        kept_wanted=disguise.kept_wanted,
        hit_wanted=disguise.hit_wanted,
        mistakes=count_mistakes(judged.messages, judged.disguised),
    )


def _rate(hit: Sequence[bool]) -> Rate:
    return Rate.from_counts(sum(hit), len(hit))
