"""What is known of a scorer after it was judged. No text of a message is in it."""

from enum import StrEnum
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from services.training.figures import DisguiseResult, Rate
from shared.categories import Strictness

JUDGEMENT_FORMAT: Final = "quietline-judgement/1"

SCORE_BINS: Final = 20


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Mistake(StrEnum):
    """What can be wrong with an answer, the gravest first."""

    FALSE_ALARM = "false_alarm"  # a legitimate message that was caught
    MISSED = "missed"  # harassment that was not caught
    AS_PROMOTION = "as_promotion"  # a legitimate message that was called promotion
    MARKETING_CAUGHT = "marketing_caught"  # marketing that was caught as if it were harassment
    MARKETING_UNSEEN = "marketing_unseen"  # marketing that was called personal or transactional


class Subject(_Frozen):
    """What was judged: a release, at a strictness."""

    release: str
    model_sha256: str
    strictness: Strictness


class Group(_Frozen):
    """The messages of one label and source, or of all sources if that is None."""

    source: str | None
    label: str
    messages: int
    caught: Rate
    marketing_seen: Rate
    as_promotion: Rate


class Summary(_Frozen):
    """What counts, of one source, or of all if it is None. A rate of nothing is None.

    `recall` is of all harassment, `false_positives` and `as_promotion` are of legitimate messages, `marketing_seen` and
    `marketing_caught` of marketing.
    """

    source: str | None
    recall: Rate
    false_positives: Rate
    as_promotion: Rate
    marketing_seen: Rate
    marketing_caught: Rate


class MistakeCount(_Frozen):
    """How many messages of a label and source were mistaken for the same, out of all of that label and source.

    `taken_for` is a category, or `unnamed` for what looks like harassment but not enough to act on.
    """

    mistake: Mistake
    source: str
    label: str
    taken_for: str
    rate: Rate


class Scores(_Frozen):
    """How many messages have a probability of harassment in each of 20 equal ranges from 0 to 1."""

    harassment: tuple[int, ...]
    legitimate: tuple[int, ...]
    marketing: tuple[int, ...]


class DisguiseJudgement(DisguiseResult):
    """What one disguise changes, on the same messages with and without it.

    `family` says what sort of disguise it is: one that the model is taught, one that it never saw, benign text beside
    the message, or the message cut in two. `kept` is the disguised recall over the clean one, as `caught` over
    `caught_undisguised`; None where nothing is caught undisguised. `still_caught` counts, of what was caught
    undisguised, what still is. `mistakes` are those made of the disguised messages.
    """

    name: str
    family: Literal["trained", "unseen", "hidden", "split"]
    still_caught: Rate
    kept: float | None
    kept_wanted: float | None
    hit_wanted: float | None
    mistakes: tuple[MistakeCount, ...]

    @property
    def keeps_too_little(self) -> bool:
        """Whether less of the recall is kept than is wanted."""
        return self.kept is not None and self.kept_wanted is not None and self.kept < self.kept_wanted

    @property
    def hits_too_many(self) -> bool:
        """Whether more legitimate messages are caught than is wanted."""
        return self.hit.rate is not None and self.hit_wanted is not None and self.hit.rate > self.hit_wanted


class Judgement(_Frozen):
    """Everything that is known of a scorer on some messages; notes say in words what could not be told."""

    format: Literal["quietline-judgement/1"] = JUDGEMENT_FORMAT
    subject: Subject
    data_digest: str
    messages: int
    groups: tuple[Group, ...]
    summaries: tuple[Summary, ...]
    mistakes: tuple[MistakeCount, ...]
    scores: Scores
    disguises: tuple[DisguiseJudgement, ...]
    notes: tuple[str, ...]

    @property
    def total(self) -> Summary:
        """Of all sources together."""
        return next(summary for summary in self.summaries if summary.source is None)

    def to_json(self) -> bytes:
        """Gives the file."""
        return self.model_dump_json(indent=1).encode()
