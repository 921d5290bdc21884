"""The gate lets an honest candidate pass, and says in words why another does not."""

import dataclasses
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from services.registry.gate import (
    RULES,
    GateRules,
    ModelMismatchError,
    judge,
    probability_of_at_least,
    verify_model,
)
from shared.categories import HARASSMENT, LEGITIMATE, PROTECTED_TOPICS
from shared.release_card import MAX_COMPRESSED_MODEL_BYTES, MAX_MODEL_BYTES, Evidence, ModelFile, PairedCounts
from tests.registry.candidates import digest, good_evidence, good_groups, group, make_candidate

CARD = make_candidate().card
OTHER = make_candidate(2).version


def reasons(evidence: Evidence, *, in_service: str | None = None, compressed_bytes: int = 1000) -> str:
    return "; ".join(judge(CARD, evidence, compressed_bytes, in_service).reasons)


def test_an_honest_first_candidate_passes():
    judgement = judge(CARD, good_evidence(), 1000, None)
    assert judgement.accepted
    assert judgement.reasons == judgement.notes == ()


def test_figures_are_recall_of_harassment_and_the_hidden_share_of_the_rest():
    figures = judge(CARD, good_evidence(), 1000, None).figures
    assert figures["recall_porn"] == 48 / 60
    assert figures["hidden_personal"] == 1 / 150
    assert figures["hidden_topic_code"] == 0
    assert len(figures) == len(good_groups())


@pytest.mark.parametrize("category", HARASSMENT)
def test_a_candidate_that_lets_everything_through_is_refused(category):
    evidence = good_evidence(**{f"category_{category}": group("category", category, 60, 60)})
    assert reasons(evidence).startswith(f"{category}: 60 of 60 held-out messages missed")


@pytest.mark.parametrize("category", LEGITIMATE)
def test_a_candidate_that_blocks_everything_is_refused(category):
    evidence = good_evidence(**{f"legitimate_{category}": group("legitimate", category, 150, 150)})
    assert f"legitimate {category}: 150 of 150 held-out messages warned of or blocked" in reasons(evidence)


@pytest.mark.parametrize("topic", PROTECTED_TOPICS)
def test_a_protected_topic_is_held_to_a_limit_of_its_own(topic):
    allowed = RULES.hidden_topics[topic].plain
    wrong = round(100 * allowed)
    assert reasons(good_evidence(**{f"topic_{topic}": group("topic", topic, 100, wrong)})) == ""
    refusal = reasons(good_evidence(**{f"topic_{topic}": group("topic", topic, 100, wrong + 1)}))
    assert refusal == (
        f"protected topic {topic}: {wrong + 1} of 100 held-out messages warned of or blocked "
        f"({(wrong + 1) / 100:.1%}); at most {allowed:.1%} is allowed"
    )


@pytest.mark.parametrize(
    "bad",
    [
        *({f"category_{category}": group("category", category, 60, 50)} for category in HARASSMENT),
        *({f"legitimate_{category}": group("legitimate", category, 150, 15)} for category in LEGITIMATE),
        *({f"topic_{topic}": group("topic", topic, 30, 8)} for topic in PROTECTED_TOPICS),
        {"category_promotion": group("category", "promotion", 80, 20)},
    ],
    ids=lambda bad: next(iter(bad)),
)
def test_no_rule_may_be_so_mild_that_a_plainly_bad_candidate_passes(bad):
    assert reasons(good_evidence(**bad))


def test_one_message_proves_nothing():
    assert reasons(good_evidence(topic_antenatal=group("topic", "antenatal", 8, 1))) == ""
    assert "protected topic antenatal" in reasons(good_evidence(topic_antenatal=group("topic", "antenatal", 8, 2)))


def test_many_messages_prove_a_small_excess_that_few_do_not():
    rate = RULES.hidden.proven + 0.01
    few = good_evidence(legitimate_personal=group("legitimate", "personal", 100, round(100 * rate)))
    many = good_evidence(legitimate_personal=group("legitimate", "personal", 10_000, round(10_000 * rate)))
    assert reasons(few) == ""
    assert f"at most {RULES.hidden.proven:.1%} is allowed" in reasons(many)


def test_gain_on_one_group_does_not_pay_for_loss_on_another():
    perfect = {f"category_{category}": group("category", category, 500) for category in HARASSMENT}
    evidence = good_evidence(**perfect, topic_code=group("topic", "code", 40, 12))
    assert "protected topic code" in reasons(evidence)


def test_a_loss_against_the_release_in_service_is_refused_if_it_is_no_accident():
    accident = group("category", "porn", 300, 40, lost=12, won=8)
    loss = group("category", "porn", 300, 60, lost=30, won=5)
    assert reasons(good_evidence(OTHER, category_porn=accident), in_service=OTHER) == ""
    assert "30 go wrong that the one in service gets right, and 5 the other way round" in reasons(
        good_evidence(OTHER, category_porn=loss), in_service=OTHER
    )


def test_a_significant_loss_within_the_margin_is_let_pass():
    tiny = group("category", "fraud", 100_000, 20_000, lost=400, won=100)
    assert reasons(good_evidence(OTHER, category_fraud=tiny), in_service=OTHER) == ""


@pytest.mark.parametrize(("lost", "is_refused"), [(44, False), (50, False), (51, True)])
def test_harassment_near_the_threshold_may_flip_together_up_to_the_margin(lost, is_refused):
    """See services/decisions/0008: candidates that are no worse were measured to lose up to 4.4 % of a group."""
    evidence = good_evidence(OTHER, category_porn=group("category", "porn", 1000, 200, lost=lost, won=0))
    assert bool(reasons(evidence, in_service=OTHER)) is is_refused


def test_legitimate_classes_have_a_narrower_margin_than_harassment():
    lost = group("legitimate", "transactional", 2000, 12, lost=10, won=0)
    assert "legitimate transactional" in reasons(good_evidence(OTHER, legitimate_transactional=lost), in_service=OTHER)


@pytest.mark.parametrize(("compared", "in_service"), [(None, OTHER), (OTHER, None), (OTHER, CARD.version)])
def test_a_comparison_with_another_release_than_the_one_in_service_is_refused(compared, in_service):
    refusal = reasons(good_evidence(compared), in_service=in_service)
    assert refusal.endswith("is in service; train again to compare with that")


def test_too_few_messages_to_claim_anything_are_refused():
    few = [group(kind, name, 5) for kind, name in (counts.split(" ") for counts in good_groups())]
    refusal = reasons(Evidence(reference=None, held_out_digest=digest(b""), groups=tuple(few)))
    assert "10 held-out legitimate messages are too few; at least 50 are needed" in refusal
    assert "20 held-out harassment messages are too few; at least 30 are needed" in refusal


def test_a_group_without_messages_is_noted_and_has_no_figure():
    judgement = judge(CARD, good_evidence(topic_antenatal=group("topic", "antenatal", 0)), 1000, None)
    assert judgement.accepted
    assert judgement.notes == ("protected topic antenatal: no held-out message, so nothing is claimed",)
    assert judgement.figures["hidden_topic_antenatal"] is None


def test_a_group_cannot_be_counted_twice():
    evidence = good_evidence()
    twice = evidence.model_copy(update={"groups": (group("topic", "code", 30, 30), *evidence.groups)})
    assert "protected topic code: counted more than once" in reasons(twice)


@pytest.mark.parametrize(
    "change",
    [
        {"model": ModelFile(sha256=digest(b""), length_bytes=MAX_MODEL_BYTES + 1)},
        {"requires_client": 2},
        {"version": "20250302-093000-ffffffff"},
    ],
)
def test_a_card_that_phones_could_not_use_is_refused(change):
    assert not judge(make_candidate(**change).card, good_evidence(), 1000, None).accepted


def test_a_compressed_model_that_is_too_large_is_refused():
    assert "phones take at most" in reasons(good_evidence(), compressed_bytes=MAX_COMPRESSED_MODEL_BYTES + 1)


@given(st.integers(0, 300), st.integers(0, 300), st.floats(0, 1))
def test_the_binomial_tail_agrees_with_scipy(successes, more, chance):
    trials = successes + more
    assert probability_of_at_least(successes, trials, chance) == pytest.approx(
        binom.sf(successes - 1, trials, chance), rel=1e-9, abs=1e-12
    )


@given(st.data())
def test_getting_more_right_never_turns_a_pass_into_a_refusal(data):
    name = data.draw(st.sampled_from(sorted(good_groups())))
    kind, _, what = name.partition(" ")
    messages = data.draw(st.integers(1, 400))
    wrong = data.draw(st.integers(0, messages))
    fewer = data.draw(st.integers(0, wrong))

    def accepts(wrong: int) -> bool:
        evidence = good_evidence(**{f"{kind}_{what}": group(kind, what, messages, wrong)})
        return judge(CARD, evidence, 1000, None, dataclasses.replace(RULES, least_legitimate=0)).accepted

    assert accepts(fewer) or not accepts(wrong)


def test_the_rules_are_one_value_that_can_be_replaced():
    strict = GateRules(least_legitimate=10_000)
    assert not judge(CARD, good_evidence(), 1000, None, strict).accepted


def test_a_model_that_is_the_one_of_the_card_is_verified():
    candidate = make_candidate()
    verify_model(candidate.compressed, candidate.card)


BOMB = gzip.compress(bytes(50_000_000))


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"not gzip",
        gzip.compress(b"another model"),
        make_candidate().compressed[:-5],
        make_candidate().compressed + b"more",
        zlib.compress(make_candidate().model),
        gzip.compress(make_candidate().model[:-1] + b"!"),
        gzip.compress(make_candidate().model + b"!"),
        BOMB,
    ],
    ids=["empty", "no gzip", "other", "cut off", "followed", "zlib", "changed byte", "longer", "bomb"],
)
def test_any_other_model_is_refused(sent):
    with pytest.raises(ModelMismatchError):
        verify_model(sent, make_candidate().card)


@pytest.mark.parametrize("category", LEGITIMATE)
def test_without_messages_of_a_legitimate_class_the_worst_error_could_not_be_seen(category):
    evidence = good_evidence(**{f"legitimate_{category}": group("legitimate", category, 0, 0)})
    assert reasons(evidence) == f"legitimate {category}: no held-out message, so nothing is claimed"


def test_a_candidate_that_loses_codes_which_the_release_in_service_keeps_is_refused():
    lost = PairedCounts(
        kind="topic",
        name="code",
        messages=40,
        both_right=34,
        only_candidate_right=0,
        only_reference_right=6,
        both_wrong=0,
    )
    evidence = good_evidence(reference=OTHER, topic_code=lost)
    assert "protected topic code: of 40 messages, 6 go wrong" in reasons(evidence, in_service=OTHER)
