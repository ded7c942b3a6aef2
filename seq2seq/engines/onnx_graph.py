"""ONNX graphs as they are written down node by node.

torch's exporter knows every model but takes seconds; for decoding the graph has to be there at once.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from seq2seq.engines.onnx_session import Array

_MICROSOFT = "com.microsoft"
"""onnxruntime's own operators, the 8-bit ones among them."""


class Graph:
    """A graph in the making. Values are known by name; every method that computes one returns its name.

    Args:
        int8: matrix products have 8-bit weights, and their inputs are rounded to 8 bits at every call.
        name: distinguishes the values of a loop's body from those around it.
    """

    def __init__(self, *, int8: bool, name: str = "") -> None:
        self.int8 = int8
        self._name = name
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []

    def input(self, name: str, *shape: int | str | None, dtype: int = TensorProto.FLOAT) -> str:
        """Declares an input; free sizes have names, or None if they change between the rounds of a loop."""
        self._inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def constant(self, value: Tensor | Array | Sequence[int]) -> str:
        """Weights, or whole numbers."""
        array = value.detach().float().numpy() if isinstance(value, Tensor) else np.asarray(value)
        name = f"{self._name}constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """The only output of an operator."""
        return self.ops(1, kind, *inputs, domain=domain, **attributes)[0]

    def ops(self, count: int, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> list[str]:
        """The outputs of an operator."""
        names = [f"{self._name}{kind}_{len(self._nodes)}_{number}" for number in range(count)]
        self._nodes.append(helper.make_node(kind, inputs, names, domain=domain, **attributes))
        return names

    def fused(self, count: int, kind: str, *inputs: str, **attributes: Any) -> list[str]:
        """The outputs of an operator that only onnxruntime has."""
        return self.ops(count, kind, *inputs, domain=_MICROSOFT, **attributes)

    def linear(self, inputs: str, weight: Tensor, bias: Tensor | None = None) -> str:
        """Inputs (…, E) to ``W x + b``, (…, H)."""
        if not self.int8:
            return self.exact(inputs, weight, bias)
        biases = [] if bias is None else [self.constant(bias)]
        rounded, scale = self.rounded(weight)
        # The empty name stands for zero points, which are 0.
        return self.fused(1, "DynamicQuantizeMatMul", inputs, rounded, scale, *(["", *biases] if biases else []))[0]

    def exact(self, inputs: str, weight: Tensor, bias: Tensor | None = None) -> str:
        """The same with weights that are not rounded, for what is computed once for a sentence."""
        product = self.op("MatMul", inputs, self.constant(weight.T))
        return product if bias is None else self.op("Add", product, self.constant(bias))

    def rounded(self, weight: Tensor, *, axes: int = 2) -> tuple[str, str]:
        """Weights (H, E) as whole numbers (E, H) of 8 bits, and the scale of each output, (H,).

        Args:
            weight: (H, E), or with directions in front.
            axes: of ``weight``.
        """
        scale = (weight.detach().float().abs().amax(axes - 1, keepdim=True) / _levels()).clamp_min(1e-12)
        rounded = (weight.detach().float() / scale).round().to(torch.int8)
        return self.constant(rounded.mT.contiguous().numpy()), self.constant(scale.squeeze(axes - 1))

    def proto(self, outputs: Sequence[str]) -> Any:
        """What has been written so far, as a graph that returns these values."""
        returned = [onnx.ValueInfoProto(name=name) for name in outputs]
        return helper.make_graph(self._nodes, self._name or "seq2seq", self._inputs, returned, self._constants)

    def file(self, outputs: Sequence[str]) -> bytes:
        """The same as the content of an ONNX file."""
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid(_MICROSOFT, 1)]
        model = helper.make_model(self.proto(outputs), opset_imports=opsets, ir_version=10)
        content: bytes = model.SerializeToString()
        return content


def _levels() -> int:
    """Largest rounded weight: on CPUs without VNNI sums of two products of 8 bits overflow, so weights get only 7."""
    return 127 if getattr(torch.cpu, "_is_vnni_supported", lambda: False)() else 63
