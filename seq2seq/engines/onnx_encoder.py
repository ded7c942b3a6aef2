"""A recurrent encoder as an ONNX graph.

Shapes: ``B`` batch, ``S`` source length, ``D`` directions, ``H`` width of a direction, ``M`` width of the memory.
"""

from typing import Any

import torch
from onnx import TensorProto
from torch import nn

from seq2seq.engines.onnx_graph import Graph
from seq2seq.model.cells import LSTM
from seq2seq.model.encoders import Encoder, RecurrentEncoder
from seq2seq.model.recurrent import BidirectionalLayer

# Indices of the gates: torch's i f g o become ONNX's i o f g.
_ONNX_ORDER = (0, 3, 1, 2)


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
        outputs, *final = _lstm(graph, [*_directions(layer)], inputs, lengths)
        # Directions side by side: (S, D, B, H) to (S, B, D·H), and (D, B, H) to (B, D·H).
        outputs = _side_by_side(graph, outputs, [0, 2, 1, 3])
        inputs = graph.op("Add", inputs, outputs) if residual else outputs
        for states, state in zip((hidden, cell), final, strict=True):
            states.append(_side_by_side(graph, state, [1, 0, 2]))
    return graph.session([graph.op("Transpose", inputs, perm=[1, 0, 2]), *hidden, *cell])


def _directions(layer: nn.Module) -> list[nn.Module]:
    return [layer.forward_cell, layer.backward_cell] if isinstance(layer, BidirectionalLayer) else [layer]


def _lstm(graph: Graph, cells: list[nn.Module], inputs: str, lengths: str) -> list[str]:
    """Outputs (S, D, B, H), zero at padding, and h and c after each row's last real step, (D, B, H)."""
    weights = []
    for parameters in zip(*(cell.parameters() for cell in cells), strict=True):
        weights.append(torch.stack([torch.cat([one.chunk(4)[gate] for gate in _ONNX_ORDER]) for one in parameters]))
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    bias = graph.constant(torch.cat([bias_ih, bias_hh], dim=1))
    attributes: dict[str, Any] = {
        "hidden_size": weight_hh.shape[2],
        "direction": "bidirectional" if len(cells) == 2 else "forward",
    }
    if not graph.int8:
        return graph.ops(
            3, "LSTM", inputs, graph.constant(weight_ih), graph.constant(weight_hh), bias, lengths, **attributes
        )
    (rounded_ih, scale_ih), (rounded_hh, scale_hh) = (graph.rounded(one, axes=3) for one in (weight_ih, weight_hh))
    zero = graph.constant(torch.zeros(len(cells), weight_ih.shape[1], dtype=torch.int8).numpy())
    return graph.fused(
        3,
        "DynamicQuantizeLSTM",
        inputs,
        rounded_ih,
        rounded_hh,
        bias,
        lengths,
        "",
        "",
        "",
        scale_ih,
        zero,
        scale_hh,
        zero,
        **attributes,
    )


def _side_by_side(graph: Graph, value: str, order: list[int]) -> str:
    """Brings the directions to the last but one axis and joins it with the last."""
    shape = graph.constant([*([0] * (len(order) - 2)), -1])
    return graph.op("Reshape", graph.op("Transpose", value, perm=order), shape)
