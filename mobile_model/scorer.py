"""Scores messages with the graph of a release. Needs onnxruntime and numpy, and nothing of training."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf

from mobile_model import policy
from shared import folding
from shared.categories import HARASSMENT, Action, Category, Strictness
from shared.release_card import CLIENT_FORMAT, ReleaseCard, Threshold


class ModelError(Exception):
    """The release cannot be used: the file is no model of ours, or it needs a newer phone."""


@dataclass(frozen=True)
class Verdict:
    """The answer for one message.

    `probabilities` are in the order of the categories. `threshold` is that of the category and the strictness; None if
    the category has none.
    """

    category: Category
    probabilities: Mapping[Category, float]
    action: Action
    reason: policy.Reason
    release: str
    threshold: Threshold | None = None

    @property
    def probability(self) -> float:
        """Of the category."""
        return self.probabilities[self.category]

    @property
    def harassment(self) -> float:
        """Of all harassment together, which is what thresholds are for."""
        return sum(probability for category, probability in self.probabilities.items() if category in HARASSMENT)


@dataclass(frozen=True)
class Explanation:
    """Where a message was looked at, and how much each of its characters speaks for harassment.

    `window` is the first code point of the deciding view and the one after its last. `contributions` has a number for
    each code point, negative where it speaks against harassment. It is zero outside the window but for the two symbols
    of either stream after it, which the window's last n-grams reach.
    """

    verdict: Verdict
    contributions: tuple[float, ...]
    window: tuple[int, int]


MAX_CODEPOINTS: Final = 1 << 16
"""More than any SMS can hold. What comes after it is not read: a message of any length must not exhaust the phone."""

_SIGNATURE: Final = (
    [("codepoints", "tensor(int32)"), ("explain", "tensor(bool)")],
    [
        ("probabilities", "tensor(float)"),
        ("contributions", "tensor(float)"),
        ("window_start", "tensor(int32)"),
        ("window_end", "tensor(int32)"),
    ],
)
_YES: Final = np.array(1, dtype=np.bool_)
_NO: Final = np.array(0, dtype=np.bool_)


class Scorer:
    """One release, ready to score.

    Args:
        model: the bytes of `model.onnx`.
        card: the release card that belongs to it.
        strictness: which thresholds to use.
        preferences: see `policy.decide`, as for `contacts` and `allowed`.

    Raises:
        ModelError: if the release cannot be used.
    """

    def __init__(
        self,
        model: bytes,
        card: ReleaseCard,
        strictness: Strictness = Strictness.NORMAL,
        *,
        preferences: Mapping[Category, Action] = policy.NO_PREFERENCES,
        contacts: Collection[str] = (),
        allowed: Collection[str] = (),
    ) -> None:
        if card.requires_client > CLIENT_FORMAT:
            raise ModelError(f"release {card.version} needs a newer Quietline on this phone")
        self._card = card
        self._strictness = strictness
        self._preferences = preferences
        self._contacts = frozenset(contacts)
        self._allowed = frozenset(allowed)
        self._run = _open(model).run

    def score(self, text: str, sender: str | None = None) -> Verdict:
        """Scores one message; any Unicode will do, an empty one too."""
        (probabilities,) = self._run(["probabilities"], {"codepoints": _codepoints(text), "explain": _NO})
        return self._verdict(probabilities.tolist(), sender)

    def score_many(self, texts: Iterable[str]) -> Iterator[Verdict]:
        """Scores messages one after the other, in order, as they come."""
        return map(self.score, texts)

    def explain(self, text: str, sender: str | None = None) -> Explanation:
        """Scores one message and says which of its characters decided."""
        inputs = {"codepoints": _codepoints(text), "explain": _YES}
        probabilities, contributions, start, end = self._run(
            ["probabilities", "contributions", "window_start", "window_end"], inputs
        )
        verdict = self._verdict(probabilities.tolist(), sender)
        unseen = [0.0] * (len(text) - len(contributions))
        return Explanation(verdict, (*contributions.tolist(), *unseen), (int(start[0]), int(end[0])))

    def _verdict(self, probabilities: list[float], sender: str | None) -> Verdict:
        decision = policy.decide(
            probabilities,
            self._card,
            self._strictness,
            self._preferences,
            sender=sender,
            contacts=self._contacts,
            allowed=self._allowed,
        )
        return Verdict(
            decision.category,
            dict(zip(self._card.categories, probabilities, strict=True)),
            decision.action,
            decision.reason,
            self._card.version,
            self._card.thresholds[self._strictness].get(decision.category),
        )


def _codepoints(text: str) -> NDArray[np.int32]:
    return folding.codepoints(text[:MAX_CODEPOINTS])


def _open(model: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf) as error:
        raise ModelError("the file is no model that this phone can run") from error
    signature = tuple([(v.name, v.type) for v in side] for side in (session.get_inputs(), session.get_outputs()))
    if signature != _SIGNATURE or session.get_outputs()[0].shape != [len(Category)]:
        raise ModelError("the file is an ONNX model, but not one of Quietline")
    return session
