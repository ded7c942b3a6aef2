"""Parts of an encoder as ONNX knows them, for sequences of any length.

torch's exporter writes a recurrence out step by step, as many steps as its example has. So a graph gets other cells:
LSTM, GRU and RNN become the ONNX operators of these names, which know of padding, and the others become ONNX's Scan
over their own equations. What is here computes nothing outside an export.

Shapes: ``B`` batch, ``T`` time, ``E`` input width, ``H`` width of the layer.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from seq2seq.model.cells import GRU, LSTM, FusedCell, step_mask
from seq2seq.model.encoders import ConvolutionalEncoder, RecurrentEncoder
from seq2seq.model.state import LayerState
from seq2seq.model.step_cells import StepCell
from seq2seq.model.vision.encoder import ImageEncoder

Encoder = RecurrentEncoder | ConvolutionalEncoder | ImageEncoder

# Torch's gates in the order of ONNX: i f g o are i o f g there, and r z n are z r n.
_LSTM_ORDER, _GRU_ORDER = (0, 3, 1, 2), (1, 0, 2)


class FusedOnnxCell(nn.Module):
    """A cell that ONNX has an operator for.

    Args:
        cell: whose weights it has.
    """

    def __init__(self, cell: FusedCell) -> None:
        super().__init__()
        self.width: int = cell.kernel.hidden_size
        self.parts = cell.parts
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
        # The axis in front is that of directions.
        self.weight_input = nn.Buffer(weight_input.unsqueeze(0))
        self.weight_recurrent = nn.Buffer(weight_recurrent.unsqueeze(0))
        self.bias = nn.Buffer(torch.cat(biases).unsqueeze(0))

    def forward(self, inputs: Tensor, start: None, lengths: Tensor) -> tuple[Tensor, LayerState]:
        """Stands for :meth:`seq2seq.model.cells.FusedCell.forward`, starting at zero.

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
            dtypes=[inputs.dtype] * (1 + self.parts),
            shapes=[(time, 1, batch, self.width), *[(1, batch, self.width)] * self.parts],
        )
        return outputs.squeeze(1).transpose(0, 1), tuple(part.squeeze(0) for part in final)


class ScannedOnnxCell(nn.Module):
    """A cell that takes single steps.

    Args:
        cell: whose equations and weights it has.
    """

    def __init__(self, cell: StepCell) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, inputs: Tensor, start: None, lengths: Tensor) -> tuple[Tensor, LayerState]:
        """Stands for :meth:`seq2seq.model.step_cells.StepCell.forward`, as :meth:`FusedOnnxCell.forward` does."""

        def step(state: LayerState, now: tuple[Tensor, Tensor]) -> tuple[LayerState, Tensor]:
            x, real = now
            hidden, cell = self.cell.advance(x, state[0], state[1], self.cell.weight_recurrent)
            hidden, cell = torch.where(real, hidden, state[0]), torch.where(real, cell, state[1])
            return (hidden, cell), torch.where(real, hidden, 0.0)

        # Two tensors, since a scan takes none twice.
        start_state = tuple(inputs.new_zeros(inputs.shape[0], self.cell.width) for _ in range(2))
        steps = self.cell.project(inputs).transpose(0, 1), step_mask(inputs, lengths).transpose(0, 1)
        final, outputs = scan(step, start_state, steps)
        return outputs.transpose(0, 1), final


class OnnxMaxPool(nn.Module):
    """Pooling whose last window may be cut short, as :class:`torch.nn.MaxPool1d` does it with ``ceil_mode``.

    Args:
        pooling: whose windows do not overlap.
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
    """A copy of an encoder that can be exported."""
    encoder = copy.deepcopy(encoder)
    for module in list(encoder.modules()):
        for name, part in list(module.named_children()):
            if isinstance(part, FusedCell):
                setattr(module, name, FusedOnnxCell(part))
            elif isinstance(part, StepCell):
                setattr(module, name, ScannedOnnxCell(part))
            elif isinstance(part, nn.MaxPool1d):
                setattr(module, name, OnnxMaxPool(part))
    return encoder
