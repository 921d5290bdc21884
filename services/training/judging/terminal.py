"""A judgement as tables for a terminal, and the mistaken messages themselves for the eyes of who ran the command."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from mobile_model.screen import printable
from services.training.figures import UNNAMED, Rate
from services.training.judging.counting import Answer, MistakeKind, find_mistakes
from services.training.judging.figures import DisguiseJudgement, Judgement, Mistake
from services.training.judging.messages import LEGITIMATE_LABELS, MARKETING_LABELS, LabelledMessage
from services.training.page import percent

MISTAKES = {
    Mistake.FALSE_ALARM: "false alarm",
    Mistake.MISSED: "missed",
    Mistake.AS_PROMOTION: "called promotion",
    Mistake.MARKETING_CAUGHT: "marketing caught",
    Mistake.MARKETING_UNSEEN: "marketing not seen",
}
"""What mistakes are called in a table."""

_SHOWN_LOST = 3
"""Kinds of mistakes that are named beside a disguise that keeps too little."""


def judgement_screen(judgement: Judgement) -> RenderableType:
    """Shows every figure: by source and label, in sum, the mistakes by kind, the disguises, and what is not reached."""
    subject = judgement.subject
    head = Text(f"release {subject.release} at {subject.strictness}, on {judgement.messages} messages", "bold")
    parts: list[RenderableType] = [head, _groups(judgement), _sums(judgement)]
    if judgement.mistakes:
        parts.append(_mistakes(judgement))
    if judgement.disguises:
        parts += [_disguises(judgement), *map(Text, shortfalls(judgement))]
    return Group(*parts, *map(Text, judgement.notes))


def _groups(judgement: Judgement) -> Table:
    table = Table(
        _left("source"), _left("label"), _right("caught"), _right("% (95 %)"),
        _right("marketing seen %"), _right("as promotion %"),
    )  # fmt: skip
    for group in judgement.groups:
        table.add_row(
            group.source or "all",
            group.label,
            _counts(group.caught),
            _share(group.caught, 2),
            _point(group.marketing_seen) if group.label in MARKETING_LABELS else "",
            _point(group.as_promotion) if group.label in LEGITIMATE_LABELS else "",
        )
    return table


def _sums(judgement: Judgement) -> Table:
    table = Table(
        _left("source"), _right("recall %"), _right("false positives %"), _right("as promotion %"),
        _right("marketing seen %"),
    )  # fmt: skip
    for summary in judgement.summaries:
        table.add_row(
            summary.source or "all",
            *(
                f"{_counts(rate)}\n{_share(rate, digits)}" if rate.of else "–"
                for rate, digits in (
                    (summary.recall, 1),
                    (summary.false_positives, 2),
                    (summary.as_promotion, 2),
                    (summary.marketing_seen, 1),
                )
            ),
        )
    return table


def _mistakes(judgement: Judgement) -> Table:
    table = Table(
        _left("mistake"), _left("source"), _left("label"), _left("taken for"), _right("messages"), _right("% (95 %)")
    )
    for count in judgement.mistakes:
        table.add_row(
            MISTAKES[count.mistake],
            count.source,
            count.label,
            words_of(count.taken_for),
            _counts(count.rate),
            _share(count.rate, 2),
        )
    return table


def _disguises(judgement: Judgement) -> Table:
    table = Table(
        _left("disguise"), _left("family"), _right("kept %"), _right("caught % (95 %)"), _right("legitimate % (95 %)")
    )
    for disguise in judgement.disguises:
        table.add_row(
            disguise.name,
            disguise.family,
            Text("–" if disguise.kept is None else f"{100 * disguise.kept:.1f}", _mood(disguise.keeps_too_little)),
            _share(disguise.caught, 1),
            Text(_share(disguise.hit, 2), _mood(disguise.hits_too_many)),
        )
    return table


def _left(title: str) -> Column:
    return Column(title, overflow="fold")


def _right(title: str) -> Column:
    return Column(title, justify="right", overflow="fold")


def _mood(is_missed: bool) -> str:
    return "red" if is_missed else ""


def _counts(rate: Rate) -> str:
    return f"{rate.hits} of {rate.of}"


def _point(rate: Rate) -> str:
    return "–" if rate.rate is None else f"{100 * rate.rate:.2f}"


def _share(rate: Rate, digits: int) -> str:
    """Writes a rate with its interval, in per cent; a dash if there is none."""
    if rate.rate is None:
        return "–"
    return f"{100 * rate.rate:.{digits}f} ({100 * rate.low:.{digits}f}–{100 * rate.high:.{digits}f})"


def words_of(taken_for: str) -> str:
    """Says what a message was taken for."""
    return "not sure enough" if taken_for == UNNAMED else taken_for


def kept_words(disguise: DisguiseJudgement) -> str:
    """Writes how much of the clean recall is kept; a dash if nothing can be."""
    return "–" if disguise.kept is None else f"{100 * disguise.kept:.1f} %"


def shortfalls(judgement: Judgement) -> Iterator[str]:
    """Says of each disguise what is wanted and not reached, and by which mistakes."""
    for disguise in judgement.disguises:
        if disguise.keeps_too_little and disguise.kept_wanted is not None:
            yield (
                f"Not reached: {disguise.name} keeps {kept_words(disguise)} of the clean recall, "
                f"at least {100 * disguise.kept_wanted:.0f} % is wanted; missed are {_most(disguise, Mistake.MISSED)}."
            )
        if disguise.hits_too_many and disguise.hit_wanted is not None:
            yield (
                f"Not reached: {percent(disguise.hit, 2)} of the legitimate messages are caught under {disguise.name}, "
                f"at most {100 * disguise.hit_wanted:.0f} % is wanted; {_most(disguise, Mistake.FALSE_ALARM)}."
            )


def _most(disguise: DisguiseJudgement, mistake: Mistake) -> str:
    kinds = [count for count in disguise.mistakes if count.mistake is mistake]
    words = [
        f"{count.rate.hits} of {count.rate.of} {count.source} {count.label} → {words_of(count.taken_for)}"
        for count in kinds[:_SHOWN_LOST]
    ]
    return ", ".join([*words, "and others"] if len(kinds) > _SHOWN_LOST else words)


def mistaken_messages(
    messages: Sequence[LabelledMessage], answers: Sequence[Answer], most: int
) -> Iterator[RenderableType]:
    """Gives at most so many messages of each kind of mistake, the most mistaken ones first, as they stand in the data.

    For a terminal alone: the text of a message is private.
    """
    kinds: dict[MistakeKind, list[tuple[LabelledMessage, Answer]]] = {}
    for kind, message, answer in find_mistakes(messages, answers):
        kinds.setdefault(kind, []).append((message, answer))
    gravity = list(Mistake)
    for kind in sorted(kinds, key=lambda kind: (gravity.index(kind.mistake), -len(kinds[kind]), kind)):
        head = f"{MISTAKES[kind.mistake]}: {kind.source} {kind.label} → {words_of(kind.taken_for)} ({len(kinds[kind])})"
        yield Text(f"\n{head}", style="bold")
        sign = 1 if kind.mistake is Mistake.MISSED else -1
        for message, answer in sorted(kinds[kind], key=lambda one: sign * one[1].harassment)[:most]:
            yield Text(f"  {answer.harassment:6.1%}  {printable(message.text).replace(chr(10), ' ⏎ ')}")
