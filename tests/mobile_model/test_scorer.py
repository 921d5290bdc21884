from dataclasses import fields

import onnx
import pytest
from onnx import TensorProto, helper

from mobile_model.policy import Reason
from mobile_model.scorer import MAX_CODEPOINTS, Explanation, ModelError, Scorer, Verdict
from shared.categories import Action, Category, Strictness
from shared.release_card import CLIENT_FORMAT, ReleaseCard
from tests.mobile_model.texts import BENIGN, SOLICITATION, TEXTS


def test_a_solicitation_is_stopped_and_a_code_is_not(scorer: Scorer, card: ReleaseCard) -> None:
    verdict = scorer.score(SOLICITATION)
    assert (verdict.category, verdict.action, verdict.release) == (Category.PORN, Action.BLOCK, card.version)
    assert verdict.probability == max(verdict.probabilities.values())
    assert list(verdict.probabilities) == list(Category)
    code = scorer.score("您的验证码是118203，5分钟内有效，请勿告诉任何人。")
    assert (code.category, code.action, code.reason) == (Category.TRANSACTIONAL, Action.ALLOW, Reason.LEGITIMATE)


def test_many_messages_are_scored_in_order_as_they_come(scorer: Scorer) -> None:
    verdicts = scorer.score_many(iter(TEXTS))
    assert next(verdicts) == scorer.score(TEXTS[0])
    assert list(verdicts) == [scorer.score(text) for text in TEXTS[1:]]


def test_an_explanation_belongs_to_the_same_verdict(scorer: Scorer) -> None:
    for text in TEXTS:
        explanation = scorer.explain(text)
        assert explanation.verdict == scorer.score(text)
        assert len(explanation.contributions) == len(text)
        start, end = explanation.window
        assert 0 <= start <= end <= len(text)
        assert not any(explanation.contributions[:start])
    assert {field.name for field in fields(Explanation)} == {"verdict", "contributions", "window"}


def test_the_explanation_points_at_the_solicitation(scorer: Scorer) -> None:
    text = BENIGN * 3 + SOLICITATION
    explanation = scorer.explain(text)
    strongest = max(range(len(text)), key=explanation.contributions.__getitem__)
    assert strongest >= len(BENIGN * 3)


def test_what_the_person_chose_is_kept(model: bytes, card: ReleaseCard) -> None:
    chosen = Scorer(
        model,
        card,
        Strictness.GENTLE,
        preferences={Category.PORN: Action.WARN},
        contacts=["+86 138 0000 1111"],
        allowed=["95588"],
    )
    assert chosen.score(SOLICITATION).action is Action.WARN
    assert chosen.score(SOLICITATION, "13800001111").reason is Reason.CONTACT
    assert chosen.score(SOLICITATION, "95588").reason is Reason.ALLOWED
    assert chosen.explain(SOLICITATION, "95588").verdict.action is Action.ALLOW


@pytest.mark.parametrize("content", [b"", b"no model", b"\x00" * 1000, b"\x08\x08\x12\x00"])
def test_a_file_that_is_no_model_is_refused(card: ReleaseCard, content: bytes) -> None:
    with pytest.raises(ModelError, match=r"no model|not one of Quietline"):
        Scorer(content, card)


def test_half_a_model_is_refused(model: bytes, card: ReleaseCard) -> None:
    with pytest.raises(ModelError):
        Scorer(model[: len(model) // 2], card)


def other_model(element: int, name: str) -> bytes:
    """A sound ONNX model that takes what ours takes, or nearly, and answers something else."""
    inputs = [
        helper.make_tensor_value_info(name, element, [len(Category)]),
        helper.make_tensor_value_info("explain", TensorProto.BOOL, []),
    ]
    outputs = [helper.make_tensor_value_info("probabilities", element, [len(Category)])]
    graph = helper.make_graph([helper.make_node("Identity", [name], ["probabilities"])], "other", inputs, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("element", "name"),
    [(TensorProto.FLOAT, "codepoints"), (TensorProto.INT32, "codepoints"), (TensorProto.INT32, "tokens")],
)
def test_a_model_of_another_kind_is_refused(card: ReleaseCard, element: int, name: str) -> None:
    with pytest.raises(ModelError, match="not one of Quietline"):
        Scorer(other_model(element, name), card)


@pytest.mark.parametrize("field", ["ir_version", "opset"])
def test_a_model_for_a_newer_runtime_is_refused(model: bytes, card: ReleaseCard, field: str) -> None:
    proto = onnx.load_from_string(model)
    if field == "opset":
        proto.opset_import[0].version = 999
    else:
        proto.ir_version = 999
    with pytest.raises(ModelError, match="no model that this phone can run"):
        Scorer(proto.SerializeToString(), card)


def test_a_message_without_end_is_read_to_a_limit(scorer: Scorer) -> None:
    text = SOLICITATION + " " * MAX_CODEPOINTS
    within, beyond = scorer.explain(text[:MAX_CODEPOINTS]), scorer.explain(text + "您的验证码")
    assert beyond.verdict == within.verdict == scorer.score(text + "您的验证码")
    assert len(beyond.contributions) == len(text) + 5
    assert not any(beyond.contributions[MAX_CODEPOINTS:])


def test_a_release_for_newer_phones_is_refused(model: bytes, card: ReleaseCard) -> None:
    newer = card.model_copy(update={"requires_client": CLIENT_FORMAT + 1})
    with pytest.raises(ModelError, match="needs a newer Quietline"):
        Scorer(model, newer)


def test_a_verdict_holds_no_text(scorer: Scorer) -> None:
    names = {field.name for field in fields(Verdict)}
    assert names == {"category", "probabilities", "action", "reason", "release", "threshold"}
    assert "加薇" not in repr(scorer.explain(SOLICITATION))
