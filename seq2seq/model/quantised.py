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
        return _product(inputs, self._packed)


class QuantisedLSTM(nn.Module):
    """An LSTM layer with 8-bit weights, as a decoder uses it: from a given state, over rows of one length.

    ``tanh(x)`` is written ``2 σ(2x) - 1``, for torch's sigmoid takes a fifth of the time of its tanh (docs/log.md); the
    weights of the candidate are doubled to that end.
    """

    def __init__(self, exact: LSTM) -> None:
        super().__init__()
        weight_ih, weight_hh, bias_ih, bias_hh = (parameter.detach() for parameter in exact.kernel.parameters())
        factor = torch.ones_like(bias_ih)
        factor.chunk(4)[2].fill_(2.0)  # input, forget, candidate, output
        self._inward = _pack(weight_ih * factor.unsqueeze(1), (bias_ih + bias_hh) * factor)
        self._onward = _pack(weight_hh * factor.unsqueeze(1), None)

    def forward(self, inputs: Tensor, start: LayerState, _: None = None) -> tuple[Tensor, LayerState]:
        """As :meth:`seq2seq.model.cells.FusedCell.forward` without lengths, in float32."""
        hidden, cell = (part.float() for part in start)
        outputs = []
        for x in _product(inputs, self._inward).unbind(1):
            i, f, g, o = _product(hidden, self._onward).add_(x).sigmoid_().chunk(4, dim=-1)
            cell = torch.addcmul(f * cell - i, i, g, value=2)  # f ⊙ c + i ⊙ (2 g - 1)
            hidden = torch.addcmul(-o, o, (2 * cell).sigmoid_(), value=2)
            outputs.append(hidden)
        return torch.stack(outputs, dim=1), (hidden, cell)


class QuantisedGRU(nn.Module):
    """A GRU layer with 8-bit weights, used as :class:`QuantisedLSTM` is."""

    def __init__(self, exact: GRU) -> None:
        super().__init__()
        weight_ih, weight_hh, bias_ih, bias_hh = (parameter.detach() for parameter in exact.kernel.parameters())
        inward, onward = _pack(weight_ih, bias_ih), _pack(weight_hh, bias_hh)
        self._packed = torch.ops.quantized.make_quantized_cell_params_dynamic(
            inward, onward, bias_ih, bias_hh, _reduced()
        )

    def forward(self, inputs: Tensor, start: LayerState, _: None = None) -> tuple[Tensor, LayerState]:
        """As :meth:`seq2seq.model.cells.FusedCell.forward` without lengths, in float32."""
        before = start[0].float().unsqueeze(0)
        outputs, hidden = torch.quantized_gru(inputs.float(), before, [self._packed], True, 1, 0.0, False, False, True)
        return outputs, (hidden[0],)


def quantise(model: Seq2Seq) -> None:
    """Gives the decoder of a model 8-bit weights where its time goes: LSTM and GRU layers, readout and output.

    Other cells stay as they are, and so does the encoder, which reads a sentence once and not once a hypothesis.
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
    """Weights (H, E) as the 8-bit kernels read them."""
    weight = weight.detach()
    scale = (weight.abs().amax(1) / 127).clamp_min(1e-12).double()
    with warnings.catch_warnings():
        # torch means to drop this type one day; its successor has no recurrent kernels.
        warnings.filterwarnings("ignore", message=".*deprecated", category=UserWarning)
        whole = torch.quantize_per_channel(weight, scale, torch.zeros(len(weight), dtype=torch.long), 0, torch.qint8)
        return torch.ops.quantized.linear_prepack(whole, None if bias is None else bias.detach())


def _product(inputs: Tensor, packed: Any) -> Tensor:
    """Inputs (…, E) times packed weights, plus their bias, (…, H)."""
    outputs: Tensor = torch.ops.quantized.linear_dynamic(inputs.float(), packed, _reduced())
    return outputs


def _reduced() -> bool:
    """Whether inputs have to do with 7 bits: without VNNI sums of 8-bit products overflow."""
    return not getattr(torch.cpu, "_is_vnni_supported", lambda: False)()
