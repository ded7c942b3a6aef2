"""Layers of an encoder as ONNX operators, for sequences of any length.

torch's exporter would unroll a recurrence to the length of its example. So an exported encoder gets other cells: LSTM,
GRU and RNN become the ONNX operators of these names, which handle padding, and the others become ONNX's Scan over their
own equations. These modules are for export only; calling them outside it computes nothing.

Shapes: ``B`` batch, ``T`` time, ``E`` input width, ``H`` width of the layer.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from seq2seq.model.cells import GRU, LSTM, FusedCell, step_mask
from seq2seq.model.encoders import Encoder
from seq2seq.model.state import LayerState
from seq2seq.model.step_cells import StepCell

# Indices of torch's gates in ONNX's order: i f g o become i o f g, r z n become z r n.
_LSTM_ORDER, _GRU_ORDER = (0, 3, 1, 2), (1, 0, 2)


class FusedOnnxCell(nn.Module):
    """A cell that is one ONNX operator.

    Args:
        cell: the cell to export.
    """

    def __init__(self, cell: FusedCell) -> None:
        super().__init__()
        self.width: int = cell.kernel.hidden_size
        self.num_states: int = cell.num_states
        self.attributes: dict[str, Any] = {"hidden_size": self.width}
        order: tuple[int, ...] = (0,)
        if isinstance(cell, LSTM):
            self.operator, order = "LSTM", _LSTM_ORDER
        elif isinstance(cell, GRU):
            self.operator, order = "GRU", _GRU_ORDER
            self.attributes["linear_before_reset"] = 1
        else:
            self.operator = "RNN"
            self.attributes["activations"] = ["Tanh" if cell.kernel.nonlinearity == "tanh" else "Relu"]
        weight_input, weight_recurrent, *biases = (
            torch.cat([parameter.detach().chunk(len(order))[gate] for gate in order])
            for parameter in cell.kernel.parameters()
        )
        # ONNX has an axis for directions in front.
        self.weight_input = nn.Buffer(weight_input.unsqueeze(0))
        self.weight_recurrent = nn.Buffer(weight_recurrent.unsqueeze(0))
        self.bias = nn.Buffer(torch.cat(biases).unsqueeze(0))

    def forward(self, inputs: Tensor, start: None, lengths: Tensor) -> tuple[Tensor, LayerState]:
        """In place of :meth:`seq2seq.model.cells.FusedCell.forward`, starting at zero.

        Args:
            inputs: (B, T, E), padding at the end.
            start: None.
            lengths: (B,).

        Returns:
            Outputs (B, T, H), zero at padding, and the state after each row's last real step.
        """
        batch, time, _ = inputs.shape
        outputs, *final = torch.onnx.ops.symbolic_multi_out(
            self.operator,
            [inputs.transpose(0, 1), self.weight_input, self.weight_recurrent, self.bias, lengths.to(torch.int32)],
            self.attributes,
            dtypes=[inputs.dtype] * (1 + self.num_states),
            shapes=[(time, 1, batch, self.width), *[(1, batch, self.width)] * self.num_states],
        )
        return outputs.squeeze(1).transpose(0, 1), tuple(state.squeeze(0) for state in final)


class ScannedOnnxCell(nn.Module):
    """A cell that is an ONNX Scan.

    Args:
        cell: the cell to export.
    """

    def __init__(self, cell: StepCell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, inputs: Tensor, start: None, lengths: Tensor) -> tuple[Tensor, LayerState]:
        """In place of :meth:`seq2seq.model.step_cells.StepCell.forward`, as :meth:`FusedOnnxCell.forward`."""

        def step(state: LayerState, inputs: tuple[Tensor, Tensor]) -> tuple[LayerState, Tensor]:
            x, real = inputs
            hidden, cell = self.cell.advance(x, state[0], state[1], self.cell.weight_recurrent)
            hidden, cell = torch.where(real, hidden, state[0]), torch.where(real, cell, state[1])
            return (hidden, cell), torch.where(real, hidden, 0.0)

        # Two tensors, since scan does not accept one twice.
        initial = tuple(inputs.new_zeros(inputs.shape[0], self.cell.width) for _ in range(2))
        steps = self.cell.project(inputs).transpose(0, 1), step_mask(inputs, lengths).transpose(0, 1)
        final, outputs = scan(step, initial, steps)
        return outputs.transpose(0, 1), final


class OnnxMaxPool(nn.Module):
    """Max pooling with a shorter last window, like :class:`torch.nn.MaxPool1d` with ``ceil_mode``.

    Args:
        pooling: the pooling to export; its windows do not overlap.
    """

    def __init__(self, pooling: nn.MaxPool1d) -> None:
        super().__init__()
        self.size = int(pooling.kernel_size)  # type: ignore[arg-type]

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, E, T) to (B, E, ⌈T / size⌉)."""
        batch, channels, time = inputs.shape
        return torch.onnx.ops.symbolic(
            "MaxPool",
            [inputs],
            {"kernel_shape": [self.size], "strides": [self.size], "ceil_mode": 1},
            dtype=inputs.dtype,
            shape=(batch, channels, (time + self.size - 1) // self.size),
        )


def for_onnx(encoder: Encoder) -> Encoder:
    """A copy of an encoder with layers that can be exported."""
    encoder = copy.deepcopy(encoder)
    for module in list(encoder.modules()):
        for name, child in list(module.named_children()):
            match child:
                case FusedCell():
                    setattr(module, name, FusedOnnxCell(child))
                case StepCell():
                    setattr(module, name, ScannedOnnxCell(child))
                case nn.MaxPool1d():
                    setattr(module, name, OnnxMaxPool(child))
    return encoder
