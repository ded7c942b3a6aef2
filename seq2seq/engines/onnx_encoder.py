"""A recurrent encoder in an ONNX graph.

Shapes: ``B`` batch, ``S`` source length, ``D`` directions, ``H`` width of a direction, ``M`` width of the memory.
"""

from dataclasses import dataclass

from torch import nn

from seq2seq.engines.onnx_graph import Graph
from seq2seq.engines.onnx_lstm import write_lstm
from seq2seq.model.cells import LSTM
from seq2seq.model.encoders import Encoder, RecurrentEncoder
from seq2seq.model.recurrent import BidirectionalLayer


def can_write(encoder: Encoder) -> bool:
    """Whether it consists of LSTM layers over embeddings, for which onnxruntime has 8-bit kernels."""
    return isinstance(encoder, RecurrentEncoder) and all(
        isinstance(cell, LSTM) for layer in encoder.stack.layers for cell in _directions(layer)
    )


@dataclass(frozen=True, slots=True)
class Written:
    """Names of what an encoder's graph computes, see :class:`seq2seq.model.state.Encoded`."""

    memory: str
    """(B, S, M)."""
    hidden: list[str]
    """h of each layer after the last token, (B, H)."""
    cell: list[str]
    """c likewise."""


def write_encoder(graph: Graph, encoder: Encoder, src: str, lengths: str) -> Written:
    """Writes an encoder down.

    Args:
        graph: where to.
        encoder: its weights are copied.
        src: (B, S).
        lengths: (B,), of 32 bits.
    """
    table = graph.constant(encoder.embedding.weight.detach().float() * encoder.embedding.scale)
    inputs = graph.op("Gather", table, graph.op("Transpose", src, perm=[1, 0]))
    hidden: list[str] = []
    cell: list[str] = []
    for layer, residual in zip(encoder.stack.layers, encoder.stack.residual, strict=True):
        directions = _directions(layer)
        outputs, *final = write_lstm(graph, directions, inputs, lengths=lengths)
        outputs = _side_by_side(graph, outputs, 1, len(directions))
        inputs = graph.op("Add", inputs, outputs) if residual else outputs
        for states, state in zip((hidden, cell), final, strict=True):
            states.append(_side_by_side(graph, state, 0, len(directions)))
    return Written(graph.op("Transpose", inputs, perm=[1, 0, 2]), hidden, cell)


def _directions(layer: nn.Module) -> list[nn.Module]:
    return [layer.forward_cell, layer.backward_cell] if isinstance(layer, BidirectionalLayer) else [layer]


def _side_by_side(graph: Graph, values: str, axis: int, directions: int) -> str:
    """Values (…, D, B, H), D being the axis ``axis``, to (…, B, D·H)."""
    if directions == 1:
        return graph.op("Squeeze", values, graph.constant([axis]))
    leading = list(range(axis))
    values = graph.op("Transpose", values, perm=[*leading, axis + 1, axis, axis + 2])
    return graph.op("Reshape", values, graph.constant([*(0 for _ in leading), 0, -1]))
