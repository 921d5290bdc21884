"""The part of the graph that only an explanation needs: how much each code point speaks for harassment, and where.

Shapes use the letters of `scoring_graph.py`, whose values it refers to.
"""

import numpy as np
from onnx import TensorProto, helper

from mobile_model.classifier import FIRST_HARASSMENT, HashedNgramClassifier
from mobile_model.features import NGRAM_LENGTHS, SKELETON, WHOLE_VIEWS
from mobile_model.graph_builder import END, GraphBuilder
from mobile_model.scoring_graph import add_views
from shared.categories import HARASSMENT


def add_explanation(g: GraphBuilder, classifier: HashedNgramClassifier) -> None:
    """From the values of `add_scoring` to `contributions` float[L], `window_start` and `window_end` int32."""
    _add_window(g, classifier)
    _add_spoken(g)
    _add_shares(g)


def _add_window(g: GraphBuilder, classifier: HashedNgramClassifier) -> None:
    """From `view` to its first and last anchor, and `source` int64[F + 1], code points of the symbols.

    Here the streams end with one more anchor, past their end: line and skeleton go from anchor 0 to that one.
    """
    spec = classifier.features
    g.node("Shape", ["skeleton_stream"], "anchor_count")
    g.node("Squeeze", ["anchor_count"], "anchor_count_scalar")
    g.node("Range", [g.scalar(0), "anchor_count_scalar", g.scalar(1)], "anchor_numbers")
    g.slice("anchor_numbers", g.vector(0), g.vector(-spec.window_letters), "numbers_at_starts")
    g.slice("anchor_numbers", g.vector(spec.window_letters), g.vector(END), "numbers_at_ends")
    add_views(g, [g.vector(0)] * WHOLE_VIEWS, "numbers_at_starts", "view_starts", spec.window_step)
    add_views(g, ["anchor_count"] * WHOLE_VIEWS, "numbers_at_ends", "view_ends", spec.window_step)
    g.node("Unsqueeze", ["view", g.vector(0)], "view_vector")
    g.node("Gather", ["view_starts", "view_vector"], "first_anchor")
    g.node("Gather", ["view_ends", "view_vector"], "last_anchor")

    g.node("NonZero", ["kept"], "kept_rows")
    g.node("Squeeze", ["kept_rows", g.vector(0)], "kept_codepoints")
    g.node("Shape", ["codepoints"], "length")
    g.node("Concat", [g.vector(0), "kept_codepoints", "length", "length"], "source_and_past", axis=0)
    g.slice("source_and_past", g.vector(0), g.vector(-1), "source")
    g.node("NonZero", ["is_anchor"], "anchor_rows")
    g.node("Squeeze", ["anchor_rows", g.vector(0)], "anchors")
    g.node("Concat", ["anchors", "folded_length"], "anchors_and_past", axis=0)
    g.node("Gather", ["anchors_and_past", "first_anchor"], "folded_first")
    g.node("Gather", ["anchors_and_past", "last_anchor"], "folded_last")
    g.node("Gather", ["source_and_past", "folded_first"], "window_first")
    g.node("Gather", ["source_and_past", "folded_last"], "window_last")
    g.node("Cast", ["window_first"], "window_start", to=TensorProto.INT32)
    g.node("Cast", ["window_last"], "window_end", to=TensorProto.INT32)


def _add_spoken(g: GraphBuilder) -> None:
    """From `ngram_weights` to `spoken` float[3, N]: what each n-gram of the view says for harassment."""
    sizes = g.vector(FIRST_HARASSMENT, len(HARASSMENT))
    g.node("Split", ["view_logits", sizes], "other_view_logits", "harassment_view_logits", axis=0)
    g.node("ArgMax", ["harassment_view_logits"], "harassment_number", axis=0)
    g.node("Add", ["harassment_number", g.vector(FIRST_HARASSMENT)], "category_for_it")
    g.node("ArgMax", ["other_view_logits"], "category_against", axis=0)
    g.node("Concat", ["category_for_it", "category_against"], "category_pair", axis=0)
    g.node("Gather", ["ngram_weights", "category_pair"], "pair_sums", axis=2)  # [3, N, 2]
    g.node("Cast", ["pair_sums"], "pair_numbers", to=TensorProto.FLOAT)
    g.node("Gather", ["scales", "category_pair"], "pair_scales")
    g.constant("signs", np.array([1.0, -1.0], dtype=np.float32))
    g.node("Mul", ["pair_scales", "signs"], "signed_scales")
    g.node("Mul", ["pair_numbers", "signed_scales"], "pair_weights")
    g.node("ReduceSum", ["pair_weights", g.vector(2)], "speaking_weights", keepdims=0)
    g.node("Gather", ["roots", "view"], "root", axis=0)
    g.node("Div", ["speaking_weights", "root"], "spoken_anywhere")

    g.node("Shape", ["position_weights"], "position_count", end=1)
    g.node("Squeeze", ["position_count"], "position_count_scalar")
    g.node("Range", [g.scalar(0), "position_count_scalar", g.scalar(1)], "positions")
    g.node("Add", ["folded_length", "first_anchor"], "skeleton_first")
    g.node("Add", ["folded_length", "last_anchor"], "skeleton_last")
    for stream in ("folded", "skeleton"):
        g.node("GreaterOrEqual", ["positions", f"{stream}_first"], f"{stream}_begun")
        g.node("Less", ["positions", f"{stream}_last"], f"{stream}_not_over")
        g.node("And", [f"{stream}_begun", f"{stream}_not_over"], f"{stream}_spanned")
    g.node("Equal", ["view", g.scalar(SKELETON)], "skeleton_decides")
    g.node("Not", ["skeleton_decides"], "both_decide")
    g.node("And", ["folded_spanned", "both_decide"], "folded_owned")
    g.node("Or", ["folded_owned", "skeleton_spanned"], "owned")
    g.node("Cast", ["owned"], "owned_number", to=TensorProto.FLOAT)
    g.node("Mul", ["spoken_anywhere", "owned_number"], "spoken")


def _add_shares(g: GraphBuilder) -> None:
    """From `spoken` to `contributions` float[L]: the share of each symbol, at the code point that it comes from."""
    g.constant("up_to", np.tri(NGRAM_LENGTHS, dtype=np.float32))
    g.constant("from_on", np.tri(NGRAM_LENGTHS, dtype=np.float32).T.copy())
    g.node("Cast", ["shifted"], "is_symbol", to=TensorProto.BOOL)
    g.node("Cast", ["is_symbol"], "symbol_ones", to=TensorProto.FLOAT)
    g.node("MatMul", ["up_to", "symbol_ones"], "symbols_in_ngram")
    g.node("Max", ["symbols_in_ngram", g.number(1.0)], "sharers")
    g.node("Div", ["spoken", "sharers"], "shares")
    g.node("MatMul", ["from_on", "shares"], "given_by_offset")
    g.node("Mul", ["given_by_offset", "symbol_ones"], "given")

    # The three rows are shifted back as they were shifted in `scoring_graph`.
    g.node("Reshape", ["given", g.vector(-1)], "given_flat")
    g.slice("given_flat", g.vector(0), g.vector(-NGRAM_LENGTHS), "given_cut")
    g.node("Reshape", ["given_cut", g.vector(NGRAM_LENGTHS, -1)], "given_aligned")
    g.node("ReduceSum", ["given_aligned", g.vector(0)], "symbol_contributions", keepdims=0)

    g.node("Gather", ["source", "anchors"], "skeleton_source")
    g.node("Concat", ["source", "skeleton_source"], "line_source", axis=0)
    g.node("Add", ["length", g.vector(1)], "length_and_end")
    nothing = helper.make_tensor("value", TensorProto.FLOAT, [1], [0.0])
    g.node("ConstantOfShape", ["length_and_end"], "silence", value=nothing)
    inputs = ["silence", "line_source", "symbol_contributions"]
    g.node("ScatterElements", inputs, "contributions_and_end", axis=0, reduction="add")
    g.slice("contributions_and_end", g.vector(0), g.vector(-1), "contributions")
