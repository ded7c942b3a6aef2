"""A decoder's state as onnxruntime takes it.

Shapes: ``N`` sources, ``R`` rows, ``W`` width of the packed state, ``S`` source positions.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from seq2seq.engines.onnx_graph import Array
from seq2seq.model.state import DecoderState


@dataclass(frozen=True, slots=True)
class OnnxState:
    """What the graph of a step reads, besides tokens."""

    packed: Array
    """h and c of all layers, previous features and source vector side by side, (R, W): selected in one call."""
    by_source: dict[str, Array]
    """The memory of attention: keys and values (N, S, …), and 0 or, at padding, -inf, (N, 1, S)."""

    @property
    def is_loose(self) -> bool:
        """See :attr:`DecoderState.is_loose`."""
        return not self.by_source

    def select(self, rows: Tensor, sources: Tensor | None = None) -> "OnnxState":
        """See :meth:`DecoderState.select`."""
        by_source = self.by_source
        if sources is not None:
            by_source = {name: array.take(sources.numpy(), 0) for name, array in by_source.items()}
        return OnnxState(self.packed.take(rows.numpy(), 0), by_source)

    @classmethod
    def of(cls, state: DecoderState) -> "OnnxState":
        """The same as torch has it."""
        others = [one for one in (state.prev_features, state.source_vector) if one is not None]
        packed = torch.cat([*state.layers.hidden, *state.layers.cell, *others], dim=1)
        by_source = {}
        if (memory := state.memory) is not None:
            bias = torch.zeros(memory.mask.shape).masked_fill(~memory.mask, -torch.inf)
            tensors = {"memory_keys": memory.keys, "memory_values": memory.values, "memory_bias": bias.unsqueeze(1)}
            by_source = {name: tensor.contiguous().numpy() for name, tensor in tensors.items()}
        return cls(packed.numpy(), by_source)
