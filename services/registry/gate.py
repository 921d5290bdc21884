"""The release gate: decides on counts whether a candidate may become a release, and says why not in words.

Two kinds of rule, both on the same held-out messages:

* Absolute limits, which alone govern the first release. For each group there are two, because counts can be small:
  a *proven* limit is broken when the exact binomial test is sure that the true rate is beyond it, which is the same as
  the Clopper-Pearson bound lying beyond it (Clopper and Pearson, Biometrika 26, 1934); a *plain* limit is broken when
  the observed rate is beyond it and more than one message went wrong, because one message proves nothing.
* The comparison with the release in service: McNemar's exact conditional test on the discordant pairs (Fagerland,
  Lydersen and Laake, BMC Medical Research Methodology 13:91, 2013), one-sided against the candidate. A loss counts
  only if it is significant and larger than a margin that people would notice.

What the gate deliberately does not do: average over groups. A gain on porn does not pay for a loss on hospital notices.
"""

import hashlib
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.categories import HARASSMENT, LEGITIMATE, PROTECTED_TOPICS, Category
from shared.release_card import (
    CLIENT_FORMAT,
    MAX_COMPRESSED_MODEL_BYTES,
    MAX_MODEL_BYTES,
    Evidence,
    PairedCounts,
    ReleaseCard,
)

GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


class ModelMismatchError(Exception):
    """The model that came is not the one that the card describes; sending it again may help."""


@dataclass(frozen=True)
class Limit:
    """The largest tolerable rate of messages that go wrong in one group.

    Args:
        proven: broken when we are sure that the true rate is above it.
        plain: broken when the observed rate is above it and more than one message went wrong.
    """

    proven: float
    plain: float


@dataclass(frozen=True)
class GateRules:
    """Every number that the gate decides by. The defaults are the rules in force, which the OpenAPI page shows too.

    Args:
        significance: error rate of each exact test, if messages flipped independently. They do not: all share one
            threshold, so a candidate that is as good as the release in service can lose several per cent of a group
            at once, and the margins keep it from being refused for that (services/decisions/0008).
        significance_topic: the same for the comparison on a protected topic, where groups are small and a loss is
            worst; a good candidate is refused more often for it.
        missed: limit on harassment of one category that is neither warned of nor blocked. The floor of recall is one
            minus this. Release over release the comparison keeps what is reached, but for its margin.
        hidden: limit on messages of a legitimate class (personal, transactional) that are warned of or blocked.
        hidden_promotion: the same for ordinary marketing, whose loss hurts least.
        hidden_topics: the same for each protected topic, by name. A police warning quotes the fraud that it warns of,
            so its limit is wider; topics are small groups, so each plain limit is.
        margin_missed: how much more harassment of a category may be missed than by the release in service.
        margin_hidden: how many more legitimate messages of a class or topic may be hidden.
        least_legitimate: held-out legitimate messages below which nothing can be claimed.
        least_harassment: the same for harassment, all categories together.
    """

    significance: float = 0.01
    significance_topic: float = 0.05
    missed: Limit = Limit(proven=0.60, plain=0.70)
    hidden: Limit = Limit(proven=0.01, plain=0.02)
    hidden_promotion: Limit = Limit(proven=0.04, plain=0.06)
    hidden_topics: Mapping[str, Limit] = field(
        default_factory=lambda: {
            "code": Limit(proven=0.01, plain=0.03),
            "bank": Limit(proven=0.02, plain=0.05),
            "hospital": Limit(proven=0.01, plain=0.03),
            "antenatal": Limit(proven=0.01, plain=0.03),
            "police_warning": Limit(proven=0.05, plain=0.10),
        }
    )
    margin_missed: float = 0.05
    margin_hidden: float = 0.002
    least_legitimate: int = 50
    least_harassment: int = 30


RULES: Final = GateRules()


@dataclass(frozen=True)
class Judgement:
    """What the gate says of one candidate.

    Args:
        reasons: why it is refused, in words; empty means accepted.
        notes: what could not be judged, in words.
        figures: rates from 0 to 1 by name, None where there was no message; kept in the history.
    """

    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    figures: dict[str, float | None]

    @property
    def accepted(self) -> bool:
        """Whether the candidate may be promoted."""
        return not self.reasons


def judge(
    card: ReleaseCard, evidence: Evidence, compressed_bytes: int, in_service: str | None, rules: GateRules = RULES
) -> Judgement:
    """Judges a candidate whose model is known to be the one of its card.

    Args:
        card: the candidate's card.
        evidence: paired counts on held-out messages.
        compressed_bytes: length of the model's gzip file.
        in_service: version that phones get now, None before the first release.
        rules: the numbers to decide by.
    """
    reasons = [*_judge_size(card, compressed_bytes), *_judge_comparability(card, evidence, in_service)]
    counted = Counter((group.kind, group.name) for group in evidence.groups)
    groups: dict[tuple[str, str], PairedCounts] = {(group.kind, group.name): group for group in evidence.groups}
    reasons += [f"{_subject(*name)}: counted more than once" for name, times in counted.items() if times > 1]
    reasons += _judge_amounts(groups.values(), rules)
    notes: list[str] = []
    for kind, name, limit in _limits(rules):
        group = groups.get((kind, name))
        if group is None or group.messages == 0:
            words = f"{_subject(kind, name)}: no held-out message, so nothing is claimed"
            (reasons if kind == "legitimate" else notes).append(words)
        elif broken := _judge_limit(group, limit, rules.significance):
            reasons.append(broken)
    if evidence.reference is not None:
        reasons += filter(None, (_judge_loss(group, rules) for group in evidence.groups))
    return Judgement(tuple(reasons), tuple(notes), figures(evidence))


def describe(rules: GateRules = RULES) -> str:
    """Says the absolute limits in words, for people who want to know before they submit."""

    def words(limit: Limit) -> str:
        return f"{limit.proven:.0%} if that is certain, {limit.plain:.0%} as counted"

    topics = "; ".join(f"{topic} {words(limit)}" for topic, limit in rules.hidden_topics.items())
    return (
        f"A candidate is refused if it misses more of a harassment category than {words(rules.missed)}; or if it warns "
        f"of or blocks more of a legitimate class than {words(rules.hidden)}, of marketing than "
        f"{words(rules.hidden_promotion)}, of the protected topics than {topics}; or if it is worse than the "
        f"release in service by more than {rules.margin_missed:.1%} of a harassment category or "
        f"{rules.margin_hidden:.1%} of a legitimate one and that is no accident (p at most {rules.significance}, on a "
        f"protected topic {rules.significance_topic})."
    )


def figures(evidence: Evidence) -> dict[str, float | None]:
    """Gives recall per harassment category and the share of hidden messages per other group, each from 0 to 1."""
    rates: dict[str, float | None] = {}
    for group in evidence.groups:
        if _is_harassment(group):
            rates[f"recall_{group.name}"] = _share(group.candidate_right, group.messages)
        else:
            prefix = "hidden_topic_" if group.kind == "topic" else "hidden_"
            rates[prefix + group.name] = _share(group.messages - group.candidate_right, group.messages)
    return rates


def probability_of_at_least(successes: int, trials: int, chance: float) -> float:
    """Gives P(X >= successes) for X ~ Binomial(trials, chance), by summing the exact terms in logarithms."""
    if successes <= 0:
        return 1.0
    if chance <= 0.0:
        return 0.0
    if chance >= 1.0:
        return 1.0 if successes <= trials else 0.0
    log_yes, log_no = math.log(chance), math.log1p(-chance)
    terms = (
        math.lgamma(trials + 1) - math.lgamma(k + 1) - math.lgamma(trials - k + 1) + k * log_yes + (trials - k) * log_no
        for k in range(successes, trials + 1)
    )
    return min(1.0, math.fsum(map(math.exp, terms)))


def verify_model(compressed: bytes, card: ReleaseCard) -> None:
    """Makes sure that the model is the one that the card describes.

    Unpacking stops at the length that the card states, so that a small file cannot grow without end. A model that is
    stated to be larger than phones take is not unpacked at all: the gate refuses it by its size.

    Raises:
        ModelMismatchError: if it is no gzip file, or its content has another length or digest than the card says.
    """
    stated = card.model.length_bytes
    if stated > MAX_MODEL_BYTES:
        return
    unpacker = zlib.decompressobj(wbits=GZIP_WINDOW)
    try:
        model = unpacker.decompress(compressed, stated + 1)
    except zlib.error as error:
        raise ModelMismatchError("the model is no gzip file, or it is damaged") from error
    if len(model) > stated or (unpacker.eof and len(model) < stated):
        raise ModelMismatchError(f"the model does not have the {stated} bytes that the card states")
    if not unpacker.eof or unpacker.unused_data:
        raise ModelMismatchError("the model's gzip file is cut off, or something follows it")
    if f"sha256:{hashlib.sha256(model).hexdigest()}" != card.model.sha256:
        raise ModelMismatchError("the model has another SHA-256 than the card states")


def _judge_size(card: ReleaseCard, compressed_bytes: int) -> Iterable[str]:
    if card.model.length_bytes > MAX_MODEL_BYTES:
        yield f"the model has {card.model.length_bytes} bytes; phones take at most {MAX_MODEL_BYTES}"
    if compressed_bytes > MAX_COMPRESSED_MODEL_BYTES:
        yield f"the compressed model has {compressed_bytes} bytes; phones take at most {MAX_COMPRESSED_MODEL_BYTES}"


def _judge_comparability(card: ReleaseCard, evidence: Evidence, in_service: str | None) -> Iterable[str]:
    if card.requires_client > CLIENT_FORMAT:
        yield f"the card requires client format {card.requires_client}; this registry knows up to {CLIENT_FORMAT}"
    if not card.version.endswith(card.run_id[:8]):
        yield "its version does not name the run that made it"
    if evidence.reference != in_service:
        compared, current = evidence.reference or "no release", in_service or "no release"
        yield f"it was compared with {compared}, but {current} is in service; train again to compare with that"


def _judge_amounts(groups: Iterable[PairedCounts], rules: GateRules) -> Iterable[str]:
    listed = list(groups)
    legitimate = sum(group.messages for group in listed if group.kind == "legitimate" and group.name in LEGITIMATE)
    harassment = sum(group.messages for group in listed if _is_harassment(group))
    if legitimate < rules.least_legitimate:
        yield f"{legitimate} held-out legitimate messages are too few; at least {rules.least_legitimate} are needed"
    if harassment < rules.least_harassment:
        yield f"{harassment} held-out harassment messages are too few; at least {rules.least_harassment} are needed"


def _limits(rules: GateRules) -> Iterable[tuple[str, str, Limit]]:
    yield from (("category", category, rules.missed) for category in HARASSMENT)
    yield from (("legitimate", category, rules.hidden) for category in LEGITIMATE)
    yield "category", Category.PROMOTION, rules.hidden_promotion
    yield from (("topic", topic, rules.hidden_topics[topic]) for topic in PROTECTED_TOPICS)


def _judge_limit(group: PairedCounts, limit: Limit, significance: float) -> str | None:
    wrong = group.messages - group.candidate_right
    rate = wrong / group.messages
    is_proven = probability_of_at_least(wrong, group.messages, limit.proven) <= significance
    if not is_proven and not (wrong > 1 and rate > limit.plain):
        return None
    allowed = limit.proven if is_proven else limit.plain
    what = f"{_subject(group.kind, group.name)}: {_went_wrong(group, wrong)}"
    return f"{what} ({rate:.1%}); at most {allowed:.1%} is allowed"


def _judge_loss(group: PairedCounts, rules: GateRules) -> str | None:
    if group.messages == 0:
        return None
    lost, won = group.only_reference_right, group.only_candidate_right
    margin = rules.margin_missed if _is_harassment(group) else rules.margin_hidden
    chance = probability_of_at_least(lost, lost + won, 0.5)
    significance = rules.significance_topic if group.kind == "topic" else rules.significance
    if chance > significance or (lost - won) / group.messages <= margin:
        return None
    return (
        f"{_subject(group.kind, group.name)}: of {group.messages} messages, {lost} go wrong that the one in service "
        f"gets right, and {won} the other way round; that is no accident (p = {chance:.2g})"
    )


def _is_harassment(group: PairedCounts) -> bool:
    return group.kind == "category" and group.name in HARASSMENT


def _subject(kind: str, name: str) -> str:
    return {"topic": f"protected topic {name}", "legitimate": f"legitimate {name}"}.get(kind, name)


def _went_wrong(group: PairedCounts, wrong: int) -> str:
    fate = "missed" if _is_harassment(group) else "warned of or blocked"
    return f"{wrong} of {group.messages} held-out messages {fate}"


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
