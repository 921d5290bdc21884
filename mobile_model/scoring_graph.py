"""The part of the graph that every message goes through: from code points to probabilities.

Each node costs a phone about a microsecond, more than the arithmetic in it, so the steps of `features.py` are laid out
for few nodes. Shapes use these letters:

    L  code points of the input           N  positions of the line, and one more
    F  symbols of the folded stream       A  anchors (start, letters, end), the symbols of the skeleton stream
    V  views                              K  categories
"""

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from mobile_model.classifier import CATEGORIES, FIRST_HARASSMENT, HashedNgramClassifier, with_count_column
from mobile_model.features import NGRAM_LENGTHS, read_digits_alike
from mobile_model.graph_builder import END, GraphBuilder
from shared import folding
from shared.categories import HARASSMENT


def add_scoring(g: GraphBuilder, classifier: HashedNgramClassifier) -> None:
    """Adds the steps from `codepoints` to `probabilities`."""
    _add_fold(g)
    _add_hashes(g, classifier)
    _add_view_sums(g, classifier)
    _add_decision(g, classifier)


def _add_fold(g: GraphBuilder) -> None:
    """From `codepoints` int32[L] to `kept` bool[L] and `folded` int64[kept symbols]."""
    g.constant("fold_table", read_digits_alike(np.append(folding.table(), np.uint16(ord(folding.BEYOND)))))
    g.constant("lowest", np.array(0, dtype=np.int32))
    g.constant("beyond", np.array(folding.TABLE_LENGTH, dtype=np.int32))
    g.node("Clip", ["codepoints", "lowest", "beyond"], "guarded")
    g.node("Gather", ["fold_table", "guarded"], "symbols")
    g.node("Cast", ["symbols"], "kept", to=TensorProto.BOOL)
    g.node("Compress", ["symbols", "kept"], "folded_short", axis=0)
    g.node("Cast", ["folded_short"], "folded", to=TensorProto.INT64)


def _add_hashes(g: GraphBuilder, classifier: HashedNgramClassifier) -> None:
    """From `folded` to `folded_stream` int64[F], `is_anchor` bool[F], `skeleton_stream` int64[A], `buckets` [3, N].

    Three copies of the line, read in rows one longer than it, are the line shifted by 0, 1 and 2. The last column has
    gone round to the beginning and is no n-gram of the line; nothing below counts it.
    """
    spec = classifier.features
    g.constant("anchor_table", np.append(True, folding.is_letter()[1:]))
    g.constant("coefficients", spec.coefficients())
    g.node("Concat", [g.vector(0), "folded", g.vector(0)], "folded_stream", axis=0)
    g.node("Gather", ["anchor_table", "folded_stream"], "is_anchor")
    g.node("Compress", ["folded_stream", "is_anchor"], "skeleton", axis=0)
    g.node("Mul", ["skeleton", g.scalar(spec.skeleton_factor)], "skeleton_stream")
    line = ["folded_stream", "skeleton_stream"]
    g.node("Concat", [*line * NGRAM_LENGTHS, g.vector(*[0] * NGRAM_LENGTHS)], "copies", axis=0)
    g.node("Reshape", ["copies", g.vector(NGRAM_LENGTHS, -1)], "shifted")
    g.node("MatMul", ["coefficients", "shifted"], "hashes")
    g.node("BitwiseAnd", ["hashes", g.scalar(spec.buckets - 1)], "buckets")


def _add_view_sums(g: GraphBuilder, classifier: HashedNgramClassifier) -> None:
    """From `buckets` to `view_sums` int32[V, K + 1], exact; the last column counts the n-grams."""
    spec = classifier.features
    g.constant("weights", with_count_column(classifier.quantized.weights))
    g.constant("one_of_each", np.ones((1, NGRAM_LENGTHS), dtype=np.uint8))
    g.node("Gather", ["weights", "buckets"], "ngram_weights")  # int8[3, N, K + 1]
    g.node("Reshape", ["ngram_weights", g.vector(NGRAM_LENGTHS, -1)], "ngram_weights_flat")
    g.node("MatMulInteger", ["one_of_each", "ngram_weights_flat"], "position_weights_flat")
    g.node("Reshape", ["position_weights_flat", g.vector(-1, len(CATEGORIES) + 1)], "position_weights")  # [N, K + 1]
    g.node("CumSum", ["position_weights", g.scalar(0)], "sums_before", exclusive=1)  # [N, K + 1]
    g.node("Compress", ["sums_before", "is_anchor"], "folded_sums", axis=0)  # [A, K + 1]
    g.node("Shape", ["folded_stream"], "folded_length")
    g.slice("sums_before", "folded_length", g.vector(-1), "skeleton_sums")  # [A, K + 1]
    g.node("Add", ["folded_sums", "skeleton_sums"], "anchor_sums")
    g.slice("anchor_sums", g.vector(spec.window_letters), g.vector(END), "sums_at_ends")
    g.slice("anchor_sums", g.vector(0), g.vector(-spec.window_letters), "sums_at_starts")
    g.node("Sub", ["sums_at_ends", "sums_at_starts"], "window_sums")
    g.slice("sums_before", g.vector(-1), g.vector(END), "whole_line")
    g.node("Gather", ["sums_before", "folded_length"], "whole_folded_stream", axis=0)
    g.node("Sub", ["whole_line", "whole_folded_stream"], "whole_skeleton")
    add_views(g, ["whole_line", "whole_skeleton"], "window_sums", "view_sums", spec.window_step)


def add_views(g: GraphBuilder, whole: Sequence[str], windows: str, name: str, step: int) -> None:
    """Gives the rows of the whole views, then every `step`-th row of the windows but the last, then the last."""
    g.slice(windows, g.vector(0), g.vector(-1), f"{name}_stepped", step)
    g.slice(windows, g.vector(-1), g.vector(END), f"{name}_last")
    g.node("Concat", [*whole, f"{name}_stepped", f"{name}_last"], name, axis=0)


def _add_decision(g: GraphBuilder, classifier: HashedNgramClassifier) -> None:
    """From `view_sums` to `roots` float[V, 1], `logits` float[V, K], `view` int64 and `probabilities` float[K]."""
    categories = len(CATEGORIES)
    g.constant("scales", classifier.quantized.scales)
    g.constant("bias", classifier.quantized.bias)
    g.node("Cast", ["view_sums"], "view_numbers", to=TensorProto.FLOAT)
    g.node("Split", ["view_numbers", g.vector(categories, 1)], "category_sums", "counts", axis=1)
    g.node("Sqrt", ["counts"], "roots")
    g.node("Mul", ["category_sums", "scales"], "scaled_sums")
    g.node("Div", ["scaled_sums", "roots"], "evidence")
    g.node("Add", ["evidence", "bias"], "logits")
    sizes = g.vector(FIRST_HARASSMENT, len(HARASSMENT))
    g.node("Split", ["logits", sizes], "other_logits", "harassment_logits", axis=1)
    g.node("ReduceMax", ["harassment_logits", g.vector(1)], "strongest_harassment", keepdims=0)
    g.node("ReduceMax", ["other_logits", g.vector(1)], "strongest_other", keepdims=0)
    g.node("Sub", ["strongest_harassment", "strongest_other"], "margins")
    g.node("ArgMax", ["margins"], "view", axis=0, keepdims=0)
    g.node("Gather", ["logits", "view"], "view_logits", axis=0)
    g.node("Softmax", ["view_logits"], "probabilities", axis=0)
