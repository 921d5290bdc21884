from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import example, given, settings

from mobile_model import graph
from mobile_model.classifier import HashedNgramClassifier
from mobile_model.features import FeatureSpec
from shared.categories import Category
from shared.folding import codepoints
from tests.mobile_model.conftest import Run
from tests.mobile_model.small_release import MESSAGES, train
from tests.mobile_model.texts import BENIGN, SOLICITATION, TEXTS, any_text

TOLERANCE = 1e-6


@settings(max_examples=300)
@given(any_text)
@example("")
@example("a")
@example("\U00020bb7")
@example("\ud800")
@example("\x00\x01\x7f\x85\u2028")
@example("\u202eמה שלומך\u202c مرحبا")
@example("字" * 5000)
@example("a.b微" * 1250)
@example("".join(map(chr, range(0x1F300, 0x1F300 + 5000))))
@example(BENIGN * 5 + SOLICITATION)
def test_the_graph_answers_as_numpy_does(run: Run, classifier: HashedNgramClassifier, text: str) -> None:
    answer = run(text)
    expected = classifier.decide([text])
    assert np.abs(answer["probabilities"] - expected.probabilities[0]).max() <= TOLERANCE
    assert (answer["window_start"], answer["window_end"]) == (expected.window_start[0], expected.window_end[0])
    assert answer["contributions"].shape == (len(text),)
    assert np.abs(answer["contributions"] - classifier.contributions(text)).max(initial=0.0) <= TOLERANCE


def test_without_explanation_only_probabilities_are_given(session: onnxruntime.InferenceSession, run: Run) -> None:
    inputs = {"codepoints": codepoints(SOLICITATION), "explain": np.array(0, dtype=np.bool_)}
    probabilities, *rest = session.run(list(graph.OUTPUTS), inputs)
    assert probabilities.tolist() == run(SOLICITATION)["probabilities"].tolist()
    assert [output.shape for output in rest] == [(0,)] * 3


def test_numbers_that_are_no_code_points_are_scored(session: onnxruntime.InferenceSession) -> None:
    points = np.array([-(2**31), -1, 0x110000, 2**31 - 1, 97], dtype=np.int32)
    answers = session.run(list(graph.OUTPUTS), {"codepoints": points, "explain": np.array(1, dtype=np.bool_)})
    assert answers[0].sum() == pytest.approx(1.0)
    assert answers[1][:2].tolist() == [0.0, 0.0]


def test_the_same_messages_give_the_same_file(model: bytes) -> None:
    assert graph.export(train()) == model


def test_a_phone_of_today_can_load_it(model: bytes) -> None:
    onnx.checker.check_model(model, full_check=True)
    proto = onnx.load_from_string(model)
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 18)]
    assert proto.ir_version == 8
    assert {node.domain for node in proto.graph.node} == {""}
    assert [value.name for value in proto.graph.input] == ["codepoints", "explain"]
    assert tuple(value.name for value in proto.graph.output) == graph.OUTPUTS


def test_the_file_fits_its_budget_and_names_no_machine(model: bytes) -> None:
    assert len(model) <= 700_000
    assert not onnx.load_from_string(model).producer_version


def test_the_metadata_describe_the_graph(model: bytes, classifier: HashedNgramClassifier) -> None:
    found = {entry.key: entry.value for entry in onnx.load_from_string(model).metadata_props}
    assert found == graph.graph_metadata(classifier)
    assert found["categories"].split() == list(Category)
    assert found["graph_format"] == graph.GRAPH_FORMAT
    assert FeatureSpec().metadata().items() <= found.items()


@pytest.mark.parametrize("spec", [FeatureSpec(buckets=1 << 10), FeatureSpec(window_letters=12, window_step=3)])
def test_the_graph_follows_the_constants(spec: FeatureSpec) -> None:
    fitted = HashedNgramClassifier(spec, max_iterations=5).fit([t for _, t in MESSAGES], [c for c, _ in MESSAGES])
    session = onnxruntime.InferenceSession(graph.export(fitted), providers=["CPUExecutionProvider"])
    for text in TEXTS:
        inputs = {"codepoints": codepoints(text), "explain": np.array(1, dtype=np.bool_)}
        probabilities, contributions, start, end = session.run(list(graph.OUTPUTS), inputs)
        expected = fitted.decide([text])
        assert np.abs(probabilities - expected.probabilities[0]).max() <= TOLERANCE
        assert (start, end) == (expected.window_start[0], expected.window_end[0])
        assert np.abs(contributions - fitted.contributions(text)).max(initial=0.0) <= TOLERANCE


def test_of_equal_views_the_first_decides() -> None:
    fitted = train()
    fitted.quantized_ = replace(fitted.quantized, weights=np.zeros_like(fitted.quantized.weights))
    text = BENIGN * 5
    session = onnxruntime.InferenceSession(graph.export(fitted), providers=["CPUExecutionProvider"])
    inputs = {"codepoints": codepoints(text), "explain": np.array(1, dtype=np.bool_)}
    _, _, start, end = session.run(list(graph.OUTPUTS), inputs)
    assert (start, end) == (0, len(text))
    assert fitted.decide([text]).view.tolist() == [0]
