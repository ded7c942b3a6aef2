"""8-bit decoder weights, for decoding on a CPU.

Dynamic quantisation: each output channel of a weight matrix is scaled to -127 … 127 once, inputs to 8 bits at every
call, and products are summed in 32 bits. Everything but matrix products stays in float32.

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

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self._weight = _pack(linear.weight, linear.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """(…, E) to (…, H), in float32."""
        return _linear(inputs, self._weight)


class QuantisedLSTM(nn.Module):
    """An LSTM layer with 8-bit weights, as a decoder calls it: with a state and rows of equal length.

    ``tanh(x)`` is computed as ``2 σ(2x) - 1``, because torch's sigmoid takes a fifth of the time of its tanh
    (docs/log.md); for that the weights of the candidate are doubled.
    """

    def __init__(self, lstm: LSTM) -> None:
        super().__init__()
        weight_ih, weight_hh, bias_ih, bias_hh = (parameter.detach() for parameter in lstm.kernel.parameters())
        factor = torch.ones_like(bias_ih)
        factor.chunk(4)[2].fill_(2.0)  # input, forget, candidate, output
        self._weight_ih = _pack(weight_ih * factor.unsqueeze(1), (bias_ih + bias_hh) * factor)
        self._weight_hh = _pack(weight_hh * factor.unsqueeze(1), None)

    def forward(self, inputs: Tensor, start: LayerState, _: None = None) -> tuple[Tensor, LayerState]:
        """As :meth:`seq2seq.model.cells.FusedCell.forward` without lengths, in float32."""
        hidden, cell = (state.float() for state in start)
        outputs = []
        for x in _linear(inputs, self._weight_ih).unbind(1):
            i, f, g, o = _linear(hidden, self._weight_hh).add_(x).sigmoid_().chunk(4, dim=-1)
            cell = torch.addcmul(f * cell - i, i, g, value=2)  # f ⊙ c + i ⊙ (2 g - 1)
            hidden = torch.addcmul(-o, o, (2 * cell).sigmoid_(), value=2)
            outputs.append(hidden)
        return torch.stack(outputs, dim=1), (hidden, cell)


class QuantisedGRU(nn.Module):
    """A GRU layer with 8-bit weights, called as :class:`QuantisedLSTM` is."""

    def __init__(self, gru: GRU) -> None:
        super().__init__()
        weight_ih, weight_hh, bias_ih, bias_hh = (parameter.detach() for parameter in gru.kernel.parameters())
        self._weights = torch.ops.quantized.make_quantized_cell_params_dynamic(
            _pack(weight_ih, bias_ih), _pack(weight_hh, bias_hh), bias_ih, bias_hh, _reduce_range()
        )

    def forward(self, inputs: Tensor, start: LayerState, _: None = None) -> tuple[Tensor, LayerState]:
        """As :meth:`seq2seq.model.cells.FusedCell.forward` without lengths, in float32."""
        initial = start[0].float().unsqueeze(0)
        outputs, hidden = torch.quantized_gru(
            inputs.float(), initial, [self._weights], True, 1, 0.0, False, False, True
        )
        return outputs, (hidden[0],)


def quantise(model: Seq2Seq) -> None:
    """Replaces the decoder's LSTM and GRU layers, readout and output layer with 8-bit ones, in place.

    Other cells stay in float32, and so does the encoder, which runs once for each sentence, not once for each token.
    """
    decoder = model.decoder
    for stack in (decoder.bottom, decoder.upper):
        for index, cell in enumerate(stack.layers):
            match cell:
                case LSTM():
                    stack.layers[index] = QuantisedLSTM(cell)
                case GRU():
                    stack.layers[index] = QuantisedGRU(cell)
    decoder.output = QuantisedLinear(decoder.output)  # type: ignore[assignment]
    if isinstance(decoder.readout.map, nn.Linear):
        decoder.readout.map = QuantisedLinear(decoder.readout.map)  # type: ignore[assignment]


def _pack(weight: Tensor, bias: Tensor | None) -> Any:
    """Weights (H, E) in the format of the 8-bit kernels."""
    weight = weight.detach()
    scale = (weight.abs().amax(1) / 127).clamp_min(1e-12).double()
    with warnings.catch_warnings():
        # Deprecated in torch, but its successor has no recurrent kernels.
        warnings.filterwarnings("ignore", message=".*deprecated", category=UserWarning)
        rounded = torch.quantize_per_channel(weight, scale, torch.zeros(len(weight), dtype=torch.long), 0, torch.qint8)
        return torch.ops.quantized.linear_prepack(rounded, None if bias is None else bias.detach())


def _linear(inputs: Tensor, weight: Any) -> Tensor:
    """Inputs (…, E) to ``W x + b``, (…, H), with a weight of :func:`_pack`."""
    outputs: Tensor = torch.ops.quantized.linear_dynamic(inputs.float(), weight, _reduce_range())
    return outputs


def _reduce_range() -> bool:
    """Whether inputs get only 7 bits, because sums of 8-bit products overflow on CPUs without VNNI."""
    return not getattr(torch.cpu, "_is_vnni_supported", lambda: False)()
