"""A recurrent encoder as an ONNX graph.

Shapes: ``B`` batch, ``S`` source length, ``D`` directions, ``H`` width of a direction, ``M`` width of the memory.
"""

from typing import Any

from onnx import TensorProto
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


def encoder_session(encoder: Encoder, *, int8: bool) -> Any:
    """A session for a batch of sources.

    It takes ``src`` (B, S) and ``lengths`` (B,), of 32 bits, and returns the memory (B, S, M), then h of each layer,
    then c of each.
    """
    graph = Graph(int8=int8)
    src = graph.input("src", "B", "S", dtype=TensorProto.INT64)
    lengths = graph.input("lengths", "B", dtype=TensorProto.INT32)
    table = graph.constant(encoder.embedding.weight.detach().float() * encoder.embedding.scale)
    inputs = graph.op("Gather", table, graph.op("Transpose", src, perm=[1, 0]))
    hidden: list[str] = []
    cell: list[str] = []
    for layer, residual in zip(encoder.stack.layers, encoder.stack.residual, strict=True):
        outputs, *final = write_lstm(graph, [*_directions(layer)], inputs, lengths=lengths)
        # Directions side by side: (S, D, B, H) to (S, B, D·H), and (D, B, H) to (B, D·H).
        outputs = _side_by_side(graph, outputs, [0, 2, 1, 3])
        inputs = graph.op("Add", inputs, outputs) if residual else outputs
        for states, state in zip((hidden, cell), final, strict=True):
            states.append(_side_by_side(graph, state, [1, 0, 2]))
    return graph.session([graph.op("Transpose", inputs, perm=[1, 0, 2]), *hidden, *cell])


def _directions(layer: nn.Module) -> list[nn.Module]:
    return [layer.forward_cell, layer.backward_cell] if isinstance(layer, BidirectionalLayer) else [layer]


def _side_by_side(graph: Graph, value: str, order: list[int]) -> str:
    """Brings the directions to the last but one axis and joins it with the last."""
    shape = graph.constant([*([0] * (len(order) - 2)), -1])
    return graph.op("Reshape", graph.op("Transpose", value, perm=order), shape)
