"""The figures of an evaluation: what evaluation.json holds and the report shows. No text of a message is in them."""

from collections.abc import Iterable
from typing import Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from services.training.calibration import interval
from shared.categories import Category, Strictness
from shared.release_card import CategoryFigures, Evidence, PairedCounts, RateBound, Threshold

EVALUATION_FORMAT: Final = "quietline-evaluation/1"
UNNAMED: Final = "unnamed"
"""Column of the confusion for messages that look like harassment, but not enough to warn."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rate(_Frozen):
    """So many of so many, with the exact 95 % interval; no rate of nothing."""

    hits: int
    of: int
    rate: float | None
    low: float
    high: float

    @classmethod
    def count(cls, hit: NDArray[np.bool_]) -> Self:
        """Counts the true ones."""
        return cls.from_counts(int(np.count_nonzero(hit)), len(hit))

    @classmethod
    def from_counts(cls, hits: int, of: int) -> Self:
        """Gives the rate of counts."""
        low, high = interval(hits, of)
        return cls(hits=hits, of=of, rate=hits / of if of else None, low=low, high=high)

    @classmethod
    def sum(cls, rates: Iterable["Rate"]) -> Self:
        """Gives the rate of all that some rates are of, together."""
        counts = [(rate.hits, rate.of) for rate in rates]
        return cls.from_counts(sum(hits for hits, _ in counts), sum(of for _, of in counts))


class Acted(_Frozen):
    """How much was acted on: warned of or blocked, and blocked alone."""

    warned_or_blocked: Rate
    blocked: Rate


class CategoryResult(_Frozen):
    """How one category did, named as at strictness normal."""

    messages: int
    precision: Rate
    recall: Rate
    acted: dict[Strictness, Acted]


class GroupResult(_Frozen):
    """How many messages of a legitimate class or topic were hit at each strictness: all of them false positives."""

    messages: int
    acted: dict[Strictness, Acted]


class DisguiseResult(_Frozen):
    """What one family of disguise changes, at strictness normal, on the same messages with and without it."""

    taught: bool
    caught: Rate
    caught_undisguised: Rate
    hit: Rate
    hit_undisguised: Rate


class ReliabilityBin(_Frozen):
    """Messages whose probability of harassment is in one range: how many truly were harassment."""

    low: float
    high: float
    messages: int
    mean_probability: float | None
    harassment: Rate


class Reliability(_Frozen):
    """Whether a probability means what it says; the error is the mean gap, weighted by messages."""

    expected_calibration_error: float | None
    bins: tuple[ReliabilityBin, ...]


class Parity(_Frozen):
    """How far the graph is from the same computation in numpy."""

    messages: int
    largest_difference: float


class TradeOff(_Frozen):
    """What a single severity for all categories would give, for the curve in the report."""

    severity: float
    caught: float
    hit: float


class Evaluation(_Frozen):
    """Everything that is known of a release before a phone has it."""

    format: Literal["quietline-evaluation/1"] = EVALUATION_FORMAT
    release: str
    reference: str | None
    data_digest: str
    held_out_digest: str
    trained_on: int
    held_out: int
    model_bytes: int
    categories: dict[Category, CategoryResult]
    confusion: dict[Category, dict[str, int]]
    legitimate: dict[Category, GroupResult]
    topics: dict[str, GroupResult]
    disguises: dict[str, DisguiseResult]
    reliability: Reliability
    parity: Parity
    trade_off: tuple[TradeOff, ...]
    thresholds: dict[Strictness, dict[Category, Threshold]]
    bounds: dict[Strictness, dict[Literal["warn", "block"], RateBound]]
    groups: tuple[PairedCounts, ...]

    def to_json(self) -> bytes:
        """Gives the file."""
        return self.model_dump_json(indent=1).encode()

    @property
    def evidence(self) -> Evidence:
        """What the release gate decides on."""
        return Evidence(reference=self.reference, held_out_digest=self.held_out_digest, groups=self.groups)

    @property
    def figures(self) -> dict[Category, CategoryFigures]:
        """What the release card says."""
        return {
            category: CategoryFigures(
                messages=result.messages, precision=result.precision.rate, recall=result.recall.rate
            )
            for category, result in self.categories.items()
        }
