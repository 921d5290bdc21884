"""Budgets 1 and 2: one message on the phone, and the size of the model; and numpy against onnxruntime."""

import gzip
import warnings

import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import StringTensorType
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from mobile_model.classifier import HashedNgramClassifier
from mobile_model.graph import export
from shared.folding import codepoints
from tests.benchmarks.messages import Messages
from tests.benchmarks.result import Result, interleaved_medians_seconds

MESSAGE = (
    "尊敬的客户您好，您预约的三月十二日上午产科检查请空腹，携带身份证与医保卡，"
    "于八点前到门诊二楼抽血处取号等候，如需改期请拨打医院总机，祝您和宝宝平安。"
)[:70]
TIMES_EMPTY = 8.0
TIMES_FASTER = 10.0
RAW_BYTES = 700 * 1024
GZIP_BYTES = 300 * 1024


def session(model: bytes) -> onnxruntime.InferenceSession:
    """Opens a model on one thread, as a phone does."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def empty_model() -> bytes:
    """Gives a graph that only hands its input on: the price of a call of onnxruntime itself."""
    names = [helper.make_tensor_value_info(name, TensorProto.INT32, ["length"]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "empty", names[:1], names[1:])
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8).SerializeToString()
    )


def usual_model(messages: Messages) -> bytes:
    """Gives what one gets from the usual recipe: TF-IDF of character n-grams through skl2onnx.

    `lowercase=False`, because the lower-casing operator needs a locale that slim images lack. A few iterations are
    enough: how good its weights are does not change how long it takes to score.
    """
    pipeline = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 3), lowercase=False, min_df=2),
        LogisticRegression(max_iter=3),
    )
    options = {id(pipeline): {"zipmap": False}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", "The conversion of CountVectorizer may not work")
        pipeline.fit(messages.texts, messages.categories)
        model = to_onnx(pipeline, initial_types=[("text", StringTensorType([None, 1]))], options=options)
    return bytes(model.SerializeToString())


def benchmark(messages: Messages) -> list[Result]:
    """Compares our graph with an empty call and with the usual export, in turns."""
    classifier = HashedNgramClassifier(max_iterations=30).fit(messages.texts, messages.categories)
    model = export(classifier)
    ours, empty, usual = session(model), session(empty_model()), session(usual_model(messages))
    no = np.array(0, dtype=np.bool_)
    points = codepoints(MESSAGE)
    text = np.array([[MESSAGE]], dtype=object)

    def score() -> object:
        return ours.run(["probabilities"], {"codepoints": points, "explain": no})

    ours_seconds, empty_seconds = interleaved_medians_seconds(
        [score, lambda: empty.run(["y"], {"x": points})], rounds=200, repeats=20
    )
    # By itself, because its dictionary of several megabytes would leave the others a cold cache.
    again_seconds, usual_seconds = interleaved_medians_seconds(
        [score, lambda: usual.run(["probabilities"], {"text": text})], rounds=200, repeats=20
    )
    return [
        _time_against_empty(ours_seconds, empty_seconds),
        _time_against_usual(again_seconds, usual_seconds),
        _size("model, raw", len(model), RAW_BYTES),
        _size("model, gzip", len(gzip.compress(model, 9, mtime=0)), GZIP_BYTES),
        _sameness(classifier, ours, messages),
    ]


def _time_against_empty(ours: float, empty: float) -> Result:
    ratio = ours / empty
    return Result("score 70 characters", f"{ours * 1e6:.1f} us", f"empty call {empty * 1e6:.1f} us",
                  f"{ratio:.2f} times", f"at most {TIMES_EMPTY:g} times", ratio <= TIMES_EMPTY)  # fmt: skip


def _time_against_usual(ours: float, usual: float) -> Result:
    ratio = usual / ours
    return Result("score 70 characters", f"{ours * 1e6:.1f} us", f"usual skl2onnx export {usual * 1e6:.1f} us",
                  f"{ratio:.1f} times faster", f"at least {TIMES_FASTER:g} times", ratio >= TIMES_FASTER)  # fmt: skip


def _size(name: str, length_bytes: int, budget_bytes: int) -> Result:
    share = length_bytes / budget_bytes
    return Result(name, f"{length_bytes / 1024:.0f} KiB", None, f"{share:.2f} of the budget",
                  f"{budget_bytes // 1024} KiB", share <= 1)  # fmt: skip


def _sameness(classifier: HashedNgramClassifier, graph: onnxruntime.InferenceSession, messages: Messages) -> Result:
    no = np.array(0, dtype=np.bool_)
    sample = messages.texts[:: max(1, len(messages.texts) // 2000)]
    graph_answers = np.array(
        [graph.run(["probabilities"], {"codepoints": codepoints(text), "explain": no})[0] for text in sample]
    )
    furthest = float(np.abs(graph_answers - classifier.predict_proba(sample)).max())
    return Result("numpy and onnxruntime", f"{len(sample)} messages", "numpy", f"{furthest:.1e} apart at most",
                  "at most 1e-06", furthest <= 1e-6)  # fmt: skip
