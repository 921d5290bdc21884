"""Everything that decides what a run makes of a snapshot: equal recipe and equal snapshot give an equal model."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Annotated, Any, Final, Literal, Self

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from services.training.augmentation import tables_digest
from shared.categories import Strictness

_CONFIG: Final = ConfigDict(extra="forbid")

Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Rate = Annotated[float, Field(gt=0.0, lt=0.5, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0.0, le=100.0, allow_inf_nan=False)]


class RecipeError(Exception):
    """A recipe has a setting that does not exist or a value that does not fit; the text says which."""


@dataclass(frozen=True, config=_CONFIG)
class WantedRates:
    """How many of the legitimate messages may be warned of, at each strictness."""

    gentle: Rate = 0.001
    normal: Rate = 0.005
    strict: Rate = 0.02

    def of(self, strictness: Strictness) -> float:
        """Gives the rate that is wanted at a strictness."""
        rate: float = getattr(self, strictness.value)
        return rate


@dataclass(frozen=True, config=_CONFIG)
class Recipe:
    """The settings of a run.

    Args:
        seed: where every random choice begins.
        l2: strength of the penalty on weights; see `HashedNgramClassifier`.
        iterations: of L-BFGS, at most, for the release.
        fold_iterations: the same for the fits that only give cross-fitted scores.
        balance: 0 counts every message alike, 1 every category alike; between, the power of the imbalance undone.
        protected_weight: how much a message of a protected topic (codes, bank, hospital, antenatal, police warnings)
            counts beside another one.
        harassment_copies: disguised copies of each harassment message, on average.
        other_copies: the same of each legitimate or marketing message; where there are fewer, disguise itself speaks
            for harassment.
        joined_copies: harassment messages that are also shown behind or before a benign one, as a share.
        linked_harassment: harassment messages that are also shown with another link, or with one where there is none.
        linked_others: the same of each legitimate or marketing message.
        copy_weight: how much a copy counts beside its original.
        skeleton_weight: how much the skeleton of a message counts beside the message; of a copy likewise.
        most_copies: copies in all, about and at most: of a larger snapshot every message gets fewer.
        folds: parts of the training messages, cut by campaign, that thresholds are cross-fitted on.
        wanted: share of legitimate messages that may be warned of.
        block_share: share of the wanted rate that may be blocked.
        confidence: of the published bounds.
        least_reached: share of the harassment that is recognised as such which must still reach a threshold for
            warning, whatever rate is wanted; half of it for blocking. A bound that is then above the wanted rate is
            published as it is.
        held_out_share: share of campaigns held out where the data do not say (a snapshot always says).
        evaluated_copies: held-out messages per category and disguise that the evaluation disguises, at most.
        engine: where fits are computed, in the worker or on a Dask cluster; the weights are the same.
    """

    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    l2: Annotated[float, Field(gt=0.0, le=1000.0, allow_inf_nan=False)] = 0.3
    iterations: Annotated[int, Field(ge=1, le=1000)] = 30
    fold_iterations: Annotated[int, Field(ge=1, le=1000)] = 20
    balance: Share = 0.5
    protected_weight: Weight = 3.0
    harassment_copies: Annotated[float, Field(ge=0.0, le=10.0, allow_inf_nan=False)] = 2.0
    other_copies: Annotated[float, Field(ge=0.0, le=10.0, allow_inf_nan=False)] = 1.0
    joined_copies: Share = 0.3
    linked_harassment: Share = 0.5
    linked_others: Share = 0.5
    copy_weight: Weight = 0.5
    skeleton_weight: Weight = 1.0
    most_copies: Annotated[int, Field(ge=0, le=1_000_000_000)] = 1_000_000
    folds: Annotated[int, Field(ge=2, le=20)] = 3
    wanted: WantedRates = Field(default_factory=WantedRates)
    block_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.25
    confidence: Annotated[float, Field(ge=0.5, le=0.999)] = 0.95
    least_reached: Annotated[float, Field(ge=0.01, le=1.0, allow_inf_nan=False)] = 0.1
    held_out_share: Annotated[float, Field(gt=0.0, le=0.5)] = 0.2
    evaluated_copies: Annotated[int, Field(ge=0, le=100_000)] = 400
    engine: Literal["local", "dask"] = "local"

    def thinned(self, share: float) -> "Recipe":
        """Gives the recipe with a share of the copies."""
        return replace(
            self,
            harassment_copies=self.harassment_copies * share,
            other_copies=self.other_copies * share,
            joined_copies=self.joined_copies * share,
            linked_harassment=self.linked_harassment * share,
            linked_others=self.linked_others * share,
        )

    def document(self) -> dict[str, Any]:
        """Gives every setting as JSON values."""
        return asdict(self)

    @property
    def digest(self) -> str:
        """Names the recipe by its content, the tables of disguises included."""
        canonical = json.dumps(self.document() | {"tables": tables_digest()}, sort_keys=True, separators=(",", ":"))
        return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"

    @classmethod
    def from_document(cls, settings: Mapping[str, Any]) -> Self:
        """Reads a recipe back; settings that are not given have their usual value.

        Raises:
            RecipeError: if a setting does not exist or a value does not fit.
        """
        try:
            return cls(**settings)
        except (ValidationError, TypeError) as error:
            raise RecipeError(f"the recipe does not fit: {_faults(error)}") from error


def _faults(error: ValidationError | TypeError) -> str:
    if isinstance(error, TypeError):
        return "a setting does not exist"
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
