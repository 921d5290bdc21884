"""Judges a scorer on labelled messages: the messages and a function that decides in, everything known of it out."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from services.training.fitting import OnProgress
from services.training.judging.counting import Answer, Decide, count_groups, count_mistakes, count_scores, summarise
from services.training.judging.disguises import SAMPLED_PER_SOURCE, benign_texts
from services.training.judging.figures import DisguiseJudgement, Judgement, Subject
from services.training.judging.messages import LabelledMessage

_BLOCK: Final = 500


def decide_all(messages: Sequence[LabelledMessage], decide: Decide, on_progress: OnProgress) -> list[Answer]:
    """Gives what a scorer says of each message as it is."""
    answers = []
    for number, message in enumerate(messages):
        if number % _BLOCK == 0:
            on_progress(number, len(messages), None)
        answers.append(decide(message.text))
    return answers


def judge(
    subject: Subject,
    messages: Sequence[LabelledMessage],
    answers: Sequence[Answer],
    disguises: tuple[DisguiseJudgement, ...] = (),
) -> Judgement:
    """Gives everything that is known of a scorer.

    Args:
        subject: what was judged.
        messages: the messages.
        answers: what it says of each.
        disguises: what it says of them disguised, if that was asked.
    """
    groups = count_groups(messages, answers)
    return Judgement(
        subject=subject,
        data_digest=_digest(messages),
        messages=len(messages),
        groups=groups,
        summaries=summarise(groups),
        mistakes=count_mistakes(messages, answers),
        scores=count_scores(messages, answers),
        disguises=disguises,
        notes=tuple(_notes(messages, answers, disguised=bool(disguises))),
    )


def _digest(messages: Sequence[LabelledMessage]) -> str:
    digest = hashlib.sha256()
    for message in messages:
        digest.update(json.dumps([message.source, message.label, message.text]).encode() + b"\n")
    return f"sha256:{digest.hexdigest()}"


def _notes(messages: Sequence[LabelledMessage], answers: Sequence[Answer], *, disguised: bool) -> Iterator[str]:
    if not any(message.is_harassment for message in messages):
        yield "There is no harassment in these data: they say nothing of recall."
    if not any(message.is_legitimate for message in messages):
        yield "There are no legitimate messages in these data: they say nothing of false positives."
    if not disguised:
        return
    legitimate = Counter(message.source for message in messages if message.is_legitimate)
    if any(count > SAMPLED_PER_SOURCE for count in legitimate.values()):
        yield f"All harassment was disguised, and of each source at most {SAMPLED_PER_SOURCE} legitimate messages."
    if not benign_texts(messages, answers):
        yield (
            "There was no legitimate message to hide others behind: Quietline's own polite phrases took their "
            "place, some of which the model was taught."
        )
