"""Makes the vectors: what is asked, and what the reference answers."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import product
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mobile_model import policy
from mobile_model.conformance import CARD_FILE, MODEL_FILE
from mobile_model.conformance.card_cases import card_cases
from mobile_model.conformance.channel_cases import channel_cases
from mobile_model.conformance.policy_cases import SENDERS, policy_cases
from mobile_model.conformance.release import ConformanceRelease, make_release
from mobile_model.conformance.texts import UTF16, all_texts, texts_to_fold
from shared import folding
from shared.categories import Action, Category

Vector = Mapping[str, Any]

_TO_ESCAPE: Final = re.compile("[^\x20-\x7e\u3001-\u303f\u4e00-\u9fff\uff01-\uff5e]")
"""All but what every editor shows as it is: lone surrogates could not be written, and directions would mislead."""


def make_files() -> dict[str, bytes]:
    """Gives the content of every file of this folder that is made, by name."""
    release = make_release()
    makers: dict[str, Callable[[], Iterable[Vector]]] = {
        "encoding": encoding_vectors,
        "fold": fold_vectors,
        "scores": lambda: score_vectors(release),
        "policy": lambda: policy_vectors(release),
        "senders": sender_vectors,
        "cards": card_cases,
        "platforms": platform_vectors,
        "channels": channel_cases,
    }
    return {
        MODEL_FILE: release.model,
        CARD_FILE: release.card.to_json() + b"\n",
        **{f"{name}.jsonl": b"".join(map(as_line, make())) for name, make in makers.items()},
    }


def encoding_vectors() -> Iterator[Vector]:
    """A string in units of 16 bits, and its code points."""
    for units in UTF16:
        text = b"".join(unit.to_bytes(2, "little") for unit in units).decode("utf-16-le", "surrogatepass")
        yield {"utf16": units, "codepoints": folding.codepoints(text).tolist()}


def fold_vectors() -> Iterator[Vector]:
    """A text, its code points with their symbols, and what becomes of it."""
    for text in texts_to_fold():
        points = folding.codepoints(text)
        yield {
            "text": text,
            "codepoints": points.tolist(),
            "symbols": folding.fold_codepoints(points).tolist(),
            "fold": folding.fold(text),
            "skeleton": folding.skeleton(text),
        }


def score_vectors(release: ConformanceRelease) -> Iterator[Vector]:
    """A text, and what numpy says of it with the weights of the model."""
    texts = all_texts()
    decisions = release.classifier.decide(texts)
    for number, text in enumerate(texts):
        yield {
            "text": text,
            "probabilities": _numbers(decisions.probabilities[number]),
            "window": [int(decisions.window_start[number]), int(decisions.window_end[number])],
            "contributions": _numbers(release.classifier.contributions(text)),
        }


def policy_vectors(release: ConformanceRelease) -> Iterator[Vector]:
    """A situation, and what is to be done with the message."""
    for case in policy_cases():
        decision = policy.decide(
            case.probabilities,
            release.card,
            case.strictness,
            case.preferences,
            sender=case.sender,
            contacts=case.contacts,
            allowed=case.allowed,
        )
        yield {
            "probabilities": case.probabilities,
            "strictness": case.strictness,
            "preferences": case.preferences,
            "sender": case.sender,
            "contacts": case.contacts,
            "allowed": case.allowed,
            "category": decision.category,
            "action": decision.action,
            "reason": decision.reason,
        }


def sender_vectors() -> Iterator[Vector]:
    """A sender as it may be written, and its one spelling."""
    for sender in SENDERS:
        yield {"sender": sender, "normal": policy.normal_sender(sender)}


def platform_vectors() -> Iterator[Vector]:
    """What a category with an action is on the platforms."""
    for category, action in product(Category, Action):
        if policy.is_possible(category, action):
            yield {"category": category, "action": action, **asdict(policy.platform_actions(category, action))}


def as_line(vector: Vector) -> bytes:
    """Writes one vector as one line, which is read the same in every editor."""
    line = json.dumps(vector, ensure_ascii=False, separators=(",", ":"))
    return _TO_ESCAPE.sub(_escape, line).encode() + b"\n"


def _escape(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1]


def _numbers(values: NDArray[np.float32]) -> list[float]:
    """Gives the shortest decimals that name these float32 numbers."""
    return [float(str(value)) for value in values]
