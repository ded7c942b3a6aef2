"""LSTM layers as ONNX has them: one operator for a whole sequence.

Shapes: ``S`` steps, ``D`` directions, ``B`` rows, ``E`` width of the inputs, ``H`` of a direction.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from seq2seq.engines.onnx_graph import Graph

# Indices of the gates: torch's i f g o become ONNX's i o f g.
_ONNX_ORDER = (0, 3, 1, 2)


def write_lstm(
    graph: Graph, cells: Sequence[nn.Module], inputs: str, *, lengths: str = "", hidden: str = "", cell: str = ""
) -> list[str]:
    """Writes a layer down.

    Args:
        graph: where to.
        cells: a :class:`seq2seq.model.cells.LSTM` for each direction.
        inputs: (S, B, E).
        lengths: real steps of each row, (B,), 32 bits; empty: all are.
        hidden: h before the first step, (D, B, H); empty: zeros.
        cell: c likewise.

    Returns:
        Outputs (S, D, B, H), zero at padding, and h and c after each row's last real step, (D, B, H).
    """
    weights = []
    for parameters in zip(*(one.parameters() for one in cells), strict=True):
        weights.append(torch.stack([torch.cat([one.chunk(4)[gate] for gate in _ONNX_ORDER]) for one in parameters]))
    weight_ih, weight_hh, bias_ih, bias_hh = weights
    bias = graph.constant(torch.cat([bias_ih, bias_hh], dim=1))
    attributes: dict[str, Any] = {
        "hidden_size": weight_hh.shape[2],
        "direction": "bidirectional" if len(cells) == 2 else "forward",
    }
    rest = [bias, lengths, hidden, cell]
    if not graph.int8:
        matrices = [graph.constant(weight_ih), graph.constant(weight_hh)]
        return graph.ops(3, "LSTM", inputs, *matrices, *rest, **attributes)
    (rounded_ih, scale_ih), (rounded_hh, scale_hh) = (graph.rounded(one, axes=3) for one in (weight_ih, weight_hh))
    zero = graph.constant(torch.zeros(len(cells), weight_ih.shape[1], dtype=torch.int8).numpy())
    scales = [scale_ih, zero, scale_hh, zero]
    # The empty name before the scales stands for peepholes.
    return graph.fused(3, "DynamicQuantizeLSTM", inputs, rounded_ih, rounded_hh, *rest, "", *scales, **attributes)
