"""8-bit copies of a decoder's weights, for decoding on a CPU.

Dynamic quantisation: each output channel of a weight matrix is scaled to -127 … 127 once, inputs to 8 bits at every
call, and products are summed in 32 bits. What is not a matrix product stays as it is.

Shapes: ``B`` batch, ``T`` time, ``E`` input width, ``H`` width of a layer.
"""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from seq2seq.model.cells import GRU, LSTM
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.state import LayerState


class QuantisedLinear(nn.Module):
    """A linear layer with 8-bit weights."""

    def __init__(self, exact: nn.Linear) -> None:
        super().__init__()
        self._packed = _pack(exact.weight, exact.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """(…, E) to (…, H), in float32."""
        outputs: Tensor = torch.ops.quantized.linear_dynamic(inputs.float(), self._packed, _reduced())
        return outputs


class QuantisedCell(nn.Module):
    """An LSTM or GRU layer with 8-bit weights, as a decoder uses it: from a given state, over rows of one length."""

    def __init__(self, exact: LSTM | GRU) -> None:
        super().__init__()
        weight_ih, weight_hh, bias_ih, bias_hh = (parameter.detach() for parameter in exact.kernel.parameters())
        inward, onward = _pack(weight_ih, bias_ih), _pack(weight_hh, bias_hh)
        self._packed = torch.ops.quantized.make_quantized_cell_params_dynamic(
            inward, onward, bias_ih, bias_hh, _reduced()
        )
        self.run = self._lstm if isinstance(exact, LSTM) else self._gru

    def forward(self, inputs: Tensor, start: LayerState, _: None = None) -> tuple[Tensor, LayerState]:
        """As :meth:`seq2seq.model.cells.FusedCell.forward` without lengths, in float32."""
        return self.run(inputs.float(), tuple(part.float().unsqueeze(0) for part in start))

    def _lstm(self, inputs: Tensor, start: LayerState) -> tuple[Tensor, LayerState]:
        outputs, hidden, cell = torch.quantized_lstm(
            inputs, list(start), [self._packed], True, 1, 0.0, False, False, True, dtype=torch.qint8, use_dynamic=True
        )
        return outputs, (hidden[0], cell[0])

    def _gru(self, inputs: Tensor, start: LayerState) -> tuple[Tensor, LayerState]:
        outputs, hidden = torch.quantized_gru(inputs, start[0], [self._packed], True, 1, 0.0, False, False, True)
        return outputs, (hidden[0],)


def quantise(model: Seq2Seq) -> None:
    """Gives the decoder of a model 8-bit weights where its time goes: LSTM and GRU layers, readout and output.

    Other cells stay as they are, and so does the encoder, which reads a sentence once and not once a hypothesis.
    """
    decoder = model.decoder
    for stack in (decoder.bottom, decoder.upper):
        for index, cell in enumerate(stack.layers):
            if isinstance(cell, LSTM | GRU):
                stack.layers[index] = QuantisedCell(cell)
    decoder.output = QuantisedLinear(decoder.output)  # type: ignore[assignment]
    if isinstance(decoder.readout.map, nn.Linear):
        decoder.readout.map = QuantisedLinear(decoder.readout.map)  # type: ignore[assignment]


def _pack(weight: Tensor, bias: Tensor | None) -> Any:
    """Weights (H, E) as the 8-bit kernels read them."""
    weight = weight.detach()
    scale = (weight.abs().amax(1) / 127).clamp_min(1e-12).double()
    with warnings.catch_warnings():
        # torch means to drop this type one day; its successor has no recurrent kernels.
        warnings.filterwarnings("ignore", message=".*deprecated", category=UserWarning)
        whole = torch.quantize_per_channel(weight, scale, torch.zeros(len(weight), dtype=torch.long), 0, torch.qint8)
        return torch.ops.quantized.linear_prepack(whole, None if bias is None else bias.detach())


def _reduced() -> bool:
    """Whether inputs have to do with 7 bits: without VNNI sums of 8-bit products overflow."""
    return not getattr(torch.cpu, "_is_vnni_supported", lambda: False)()
