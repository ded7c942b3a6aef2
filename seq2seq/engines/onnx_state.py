"""A decoder's state as onnxruntime takes it; without importing torch.

Shapes: ``N`` sources, ``R`` rows, ``W`` width of the packed state, ``S`` source positions.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seq2seq.engines.onnx_session import Array

if TYPE_CHECKING:
    from torch import Tensor

MEMORY = "memory_keys", "memory_values", "memory_bias"
"""Names of what attention reads."""


@dataclass(frozen=True, slots=True)
class OnnxState:
    """What the graph of a step reads, besides tokens."""

    packed: Array
    """h and c of all layers, previous features and source vector side by side, (R, W): selected in one call."""
    by_source: dict[str, Array]
    """The memory of attention: keys and values (N, S, …), and 0 or, at padding, -inf, (N, 1, S)."""

    @property
    def is_loose(self) -> bool:
        """See :attr:`seq2seq.model.state.DecoderState.is_loose`."""
        return not self.by_source

    def select(self, rows: "Tensor", sources: "Tensor | None" = None) -> "OnnxState":
        """See :meth:`seq2seq.model.state.DecoderState.select`."""
        by_source = self.by_source
        if sources is not None:
            by_source = {name: array.take(sources.numpy(), 0) for name, array in by_source.items()}
        return OnnxState(self.packed.take(rows.numpy(), 0), by_source)
