"""The release card: what a release is, what it was made from, and how a phone must use it.

Training writes the card, the registry checks and signs it, every phone reads it. `Evidence` travels beside the card
from training to the registry's gate; it is no part of the card, because it depends on the release in service.
"""

import hashlib
import re
from datetime import UTC, datetime
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from shared.categories import HARASSMENT, Category, Strictness

CARD_FORMAT: Final = "quietline-release/1"
CHANNEL_FORMAT: Final = "quietline-channel/1"
CLIENT_FORMAT: Final = 1
"""The newest graph and card that this source tree understands; a card that requires more is refused by the phone."""

MAX_MODEL_BYTES: Final = 700 * 1024
MAX_COMPRESSED_MODEL_BYTES: Final = 300 * 1024
"""What a phone takes, before and after unpacking; the gate refuses more."""

VERSION_PATTERN: Final = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{8}")

Probability = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Version = Annotated[str, Field(pattern=rf"^{VERSION_PATTERN.pattern}$")]
UtcDatetime = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class Threshold(_Frozen):
    """From which probability of harassment on the phone warns, and from which it blocks."""

    warn: Probability
    block: Probability

    @model_validator(mode="after")
    def _block_needs_at_least_what_warn_needs(self) -> Self:
        if self.block < self.warn:
            raise ValueError("a block threshold below the warn threshold would block what is not even warned of")
        return self


class RateBound(_Frozen):
    """What is known about the false-positive rate of the thresholds of one strictness and action.

    `campaigns` are legitimate campaigns, each counted once by its most suspicious message and scored by a model that
    saw nothing of it; `campaigns_hit` are those that were hit. `upper` is an exact one-sided upper bound on the share
    of campaigns hit, at `confidence`; where they were too few for `wanted`, it is above it and is what may be claimed.
    """

    wanted: Probability
    upper: Probability
    confidence: Probability
    campaigns: Count
    campaigns_hit: Count


class CategoryFigures(_Frozen):
    """How the exported graph did on the held-out messages of one category, at strictness normal."""

    messages: Count
    precision: Probability | None
    recall: Probability | None


class ModelFile(_Frozen):
    """The model file before compression."""

    sha256: Digest
    length_bytes: Count


class ReleaseCard(_Frozen):
    """One release, as phones read it."""

    format: Literal["quietline-release/1"] = CARD_FORMAT
    requires_client: int = Field(default=CLIENT_FORMAT, ge=1)
    version: Version
    created_at: UtcDatetime
    run_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    categories: tuple[Category, ...]
    thresholds: dict[Strictness, dict[Category, Threshold]]
    bounds: dict[Strictness, dict[Literal["warn", "block"], RateBound]]
    graph: dict[str, str]
    model: ModelFile
    data_digest: Digest
    recipe_digest: Digest
    evaluation: dict[Category, CategoryFigures]

    @model_validator(mode="after")
    def _every_strictness_has_every_threshold(self) -> Self:
        if self.categories != tuple(Category):
            raise ValueError(f"categories must be {', '.join(Category)}, in this order")
        for strictness in Strictness:
            missing = [c for c in HARASSMENT if c not in self.thresholds.get(strictness, {})]
            if missing:
                raise ValueError(f"thresholds of {strictness} lack {', '.join(missing)}")
        return self

    def to_json(self) -> bytes:
        """Gives the canonical bytes: the same card is the same file everywhere."""
        return self.model_dump_json(indent=1).encode()

    @classmethod
    def from_json(cls, raw: bytes | str) -> Self:
        """Reads a card.

        Raises:
            pydantic.ValidationError: if it is no card of this format.
        """
        return cls.model_validate_json(raw)


class ChannelFile(_Frozen):
    """What a channel offers: `channels/<name>.json`, which the registry signs and every phone reads.

    A phone whose draw from 0 to 99 is below `percentage` takes the candidate, every other the release. `release` is
    None where no release is in service: then the phone allows everything.
    """

    format: Literal["quietline-channel/1"] = CHANNEL_FORMAT
    release: Version | None
    candidate: Version | None
    percentage: int = Field(ge=0, le=99)
    withdrawn: tuple[Version, ...]

    @model_validator(mode="after")
    def _only_a_candidate_has_a_share(self) -> Self:
        if (self.candidate is None) != (self.percentage == 0):
            raise ValueError("a candidate needs a percentage of 1 to 99, and without one the percentage is 0")
        if {self.release, self.candidate} & set(self.withdrawn):
            raise ValueError("a withdrawn release can be neither the release nor the candidate")
        return self

    def to_json(self) -> bytes:
        """Gives the canonical bytes: the same state is the same file everywhere."""
        return self.model_dump_json(indent=1).encode()

    @classmethod
    def from_json(cls, raw: bytes | str) -> Self:
        """Reads a channel file.

        Raises:
            pydantic.ValidationError: if it is no channel of this format.
        """
        return cls.model_validate_json(raw)


class PairedCounts(_Frozen):
    """How candidate and reference did on the same held-out messages of one group.

    Right means, at strictness normal: harassment is warned of or blocked; anything else is not.
    """

    kind: Literal["category", "legitimate", "topic"]
    name: str = Field(min_length=1, max_length=40)
    messages: Count
    both_right: Count
    only_candidate_right: Count
    only_reference_right: Count
    both_wrong: Count

    @model_validator(mode="after")
    def _counts_add_up(self) -> Self:
        parts = self.both_right + self.only_candidate_right + self.only_reference_right + self.both_wrong
        if parts != self.messages:
            raise ValueError("the four counts must add up to `messages`")
        return self

    @property
    def candidate_right(self) -> int:
        """Messages that the candidate gets right."""
        return self.both_right + self.only_candidate_right


class Evidence(_Frozen):
    """What the release gate decides on.

    Without a release in service `reference` is None, and each group counts the candidate alone: what it gets right
    under `only_candidate_right`, the rest under `both_wrong`.
    """

    reference: Version | None
    held_out_digest: Digest
    groups: tuple[PairedCounts, ...]


def root_fingerprint(root: bytes) -> str:
    """Gives the SHA-256 of a root file in groups of four, for people to compare: what `sha256sum` says, with blanks."""
    digest = hashlib.sha256(root).hexdigest()
    return " ".join(digest[start : start + 4] for start in range(0, len(digest), 4))


def release_version(created_at: datetime, run_id: str) -> str:
    """Names the release of a run: sortable by time, and the same whenever it is asked for again."""
    return f"{created_at.astimezone(UTC):%Y%m%d-%H%M%S}-{run_id[:8]}"
