"""The model as an ONNX graph of standard `ai.onnx` operators, which any phone's runtime can execute.

Inputs: `codepoints` int32[length], the Unicode code points of one message and nothing else, and `explain` bool.
Outputs: `probabilities` float[categories]; `contributions` float[length], how much each code point speaks for
harassment; `window_start` and `window_end` int32[1], the code points that were looked at. Without `explain` the last
three are empty: asking for fewer outputs does not skip the work, an `If` does.
"""

from typing import Any, Final

from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.common.data_types import BooleanTensorType, FloatTensorType, Int32TensorType

from mobile_model.classifier import CATEGORIES, HashedNgramClassifier
from mobile_model.explanation_graph import add_explanation
from mobile_model.graph_builder import GraphBuilder
from mobile_model.scoring_graph import add_scoring

OPSET: Final = 18
"""The oldest with `BitwiseAnd`; onnxruntime reads it since 1.14."""
IR_VERSION: Final = 8
PRODUCER: Final = "quietline"
GRAPH_FORMAT: Final = "quietline-graph/1"

_EXPLANATION: Final = (
    ("contributions", TensorProto.FLOAT),
    ("window_start", TensorProto.INT32),
    ("window_end", TensorProto.INT32),
)
OUTPUTS: Final = ("probabilities", *(name for name, _ in _EXPLANATION))


def export(classifier: HashedNgramClassifier) -> bytes:
    """Gives the model file of a fitted classifier; equal weights give equal bytes.

    The constants of the features, the categories and the digest of the folding table are in its metadata.
    """
    update_registered_converter(
        HashedNgramClassifier,
        "QuietlineHashedNgramClassifier",
        _declare_outputs,
        _convert,
        parser=_parse,
    )
    model: ModelProto = convert_sklearn(
        classifier,
        name=PRODUCER,
        initial_types=[("codepoints", Int32TensorType([None])), ("explain", BooleanTensorType([]))],
        target_opset={"": OPSET},
    )
    # skl2onnx orders nodes by their direct inputs and does not see what the branches of an `If` refer to.
    nodes = sorted(model.graph.node, key=lambda node: node.op_type == "If")
    model.graph.ClearField("node")
    model.graph.node.extend(nodes)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("codepoints", TensorProto.INT32, ["length"]))
    model.graph.input[1].CopyFrom(helper.make_tensor_value_info("explain", TensorProto.BOOL, []))
    model.ir_version = IR_VERSION
    model.producer_name = PRODUCER
    for field in ("producer_version", "domain", "doc_string"):
        model.ClearField(field)
    model.model_version = 1
    helper.set_model_props(model, graph_metadata(classifier))
    return bytes(model.SerializeToString(deterministic=True))


def graph_metadata(classifier: HashedNgramClassifier) -> dict[str, str]:
    """Gives what describes the graph: the same text in the model file and in the release card."""
    described = {"graph_format": GRAPH_FORMAT, "categories": " ".join(CATEGORIES), **classifier.features.metadata()}
    return dict(sorted(described.items()))


def _if_explain(g: GraphBuilder, classifier: HashedNgramClassifier) -> NodeProto:
    """Gives the node that explains if asked, and gives three empty vectors if not."""
    asked = GraphBuilder()
    add_explanation(asked, classifier)
    g.constants.update(asked.constants)
    values = [helper.make_tensor_value_info(name, element, [None]) for name, element in _EXPLANATION]
    silent = GraphBuilder()
    for name, element in _EXPLANATION:
        value = helper.make_tensor("value", element, [0], [])
        silent.node("Constant", [], f"no_{name}", value=value)
    no_values = [helper.make_tensor_value_info(f"no_{name}", element, [None]) for name, element in _EXPLANATION]
    return helper.make_node(
        "If",
        ["explain"],
        [name for name, _ in _EXPLANATION],
        then_branch=helper.make_graph(asked.nodes, "asked", [], values),
        else_branch=helper.make_graph(silent.nodes, "not_asked", [], no_values),
    )


def _parse(scope: Any, model: HashedNgramClassifier, inputs: Any, custom_parsers: Any = None) -> Any:  # noqa: ARG001
    """Declares the operator to skl2onnx: one, with both inputs and all outputs."""
    operator = scope.declare_local_operator("QuietlineHashedNgramClassifier", model)
    operator.inputs.extend(inputs)
    for name in OUTPUTS:
        whole_number = name.startswith("window")
        kind = Int32TensorType([None]) if whole_number else FloatTensorType([None])
        operator.outputs.append(scope.declare_local_variable(name, kind))
    return operator.outputs


def _declare_outputs(operator: Any) -> None:
    operator.outputs[0].type = FloatTensorType([len(CATEGORIES)])


def _convert(scope: Any, operator: Any, container: Any) -> None:  # noqa: ARG001 -- skl2onnx calls it by these names
    g = GraphBuilder()
    classifier = operator.raw_operator
    add_scoring(g, classifier)
    g.nodes.append(_if_explain(g, classifier))
    for name, value in g.constants.items():
        container.add_initializer(name, None, None, numpy_helper.from_array(value, name))
    for node in g.nodes:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        container.add_node(
            node.op_type, list(node.input), list(node.output), op_version=OPSET, name=node.name, **attributes
        )
