"""Puts the nodes and constants of an ONNX graph together."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, helper

END: Final = int(np.iinfo(np.int64).max)
"""The end of whatever a slice is cut from."""


class GraphBuilder:
    """Nodes and constants in order; a node is named after the first value that it gives."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Adds a constant, or replaces the one of that name."""
        self.constants[name] = value
        return name

    def vector(self, *values: int) -> str:
        """Adds an int64 vector, once."""
        name = "_".join(["vector", *map(str, values)]).replace("-", "minus_").replace(str(END), "end")
        return self.constant(name, np.array(values, dtype=np.int64))

    def scalar(self, value: int) -> str:
        """Adds an int64 scalar, once."""
        return self.constant(f"scalar_{value}".replace("-", "minus_"), np.array(value, dtype=np.int64))

    def number(self, value: float) -> str:
        """Adds a float32 scalar, once."""
        return self.constant(f"number_{value}".replace(".", "_"), np.array(value, dtype=np.float32))

    def node(self, operator: str, inputs: Sequence[str], *outputs: str, **attributes: Any) -> str:
        """Adds a node and gives the name of its first output."""
        self.nodes.append(helper.make_node(operator, list(inputs), list(outputs), name=outputs[0], **attributes))
        return outputs[0]

    def slice(self, data: str, start: str, end: str, name: str, step: int = 1) -> str:
        """Cuts along the first axis."""
        return self.node("Slice", [data, start, end, self.vector(0), self.vector(step)], name)
