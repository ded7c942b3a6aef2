"""Recurrent cells without a fused kernel: peephole and layer-normalised LSTM.

Products with the inputs are one matrix product for all time steps; the recurrence is a Python loop, so over many steps
these cells are several times slower than those of :mod:`seq2seq.model.cells` (docs/log.md).

Shapes: ``B`` batch, ``T`` time, ``E`` input width, ``H`` width of the layer.
"""

from abc import abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from seq2seq.model.cells import stack_steps, step_mask
from seq2seq.model.state import LayerState


class StepCell(nn.Module):
    """An LSTM that advances one step at a time.

    Args:
        input_size: E.
        width: H.
        weight_dropout: probability of zeroing a hidden-to-hidden weight, one draw for all time steps
            (DropConnect, Merity et al. 2018, §2).
        zoneout: probability that a unit keeps its h of the previous step, and likewise its c; evaluation takes the
            expectation (Krueger et al. 2017, §3).
    """

    num_states: ClassVar[int] = 2

    def __init__(self, input_size: int, width: int, *, weight_dropout: float = 0.0, zoneout: float = 0.0) -> None:
        super().__init__()
        self.width = width
        self.weight_dropout = weight_dropout
        self.zoneout = zoneout
        # Gates are concatenated in the order input, forget, candidate, output, as in torch.
        self.weight_input = nn.Parameter(torch.empty(4 * width, input_size))
        self.weight_recurrent = nn.Parameter(torch.empty(4 * width, width))
        self.bias = nn.Parameter(torch.empty(4 * width))

    @abstractmethod
    def project(self, inputs: Tensor) -> Tensor:
        """Contribution of the inputs (B, T, E) to the gates at all steps, (B, T, 4H)."""

    @abstractmethod
    def step(self, x: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """One step.

        Args:
            x: output of :meth:`project` at this step, (B, 4H).
            hidden: h_{t-1}, (B, H).
            cell: c_{t-1}, (B, H).
            weight: U, (4H, H).

        Returns:
            ``input gate``, ``forget gate``, ``output gate``, ``cell`` and ``hidden``, (B, H) each.
        """

    def forward(
        self, inputs: Tensor, start: LayerState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, LayerState]:
        """Runs over whole sequences, as :meth:`seq2seq.model.cells.FusedCell.forward`."""
        hidden, cell = start or (inputs.new_zeros(len(inputs), self.width),) * 2
        weight = functional.dropout(self.weight_recurrent, self.weight_dropout, self.training)
        outputs = []
        real = None if lengths is None else step_mask(inputs, lengths).unbind(1)
        for time, x in enumerate(self.project(inputs).unbind(1)):
            new_hidden, new_cell = self.advance(x, hidden, cell, weight)
            if real is None:
                hidden, cell = new_hidden, new_cell
                outputs.append(hidden)
            else:
                hidden, cell = torch.where(real[time], new_hidden, hidden), torch.where(real[time], new_cell, cell)
                outputs.append(torch.where(real[time], hidden, 0.0))
        return torch.stack(outputs, dim=1), (hidden, cell)

    def advance(self, x: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """States h and c, (B, H) each, after :meth:`step` and zoneout."""
        values = self.step(x, hidden, cell, weight)
        return self._zone_out(hidden, values["hidden"]), self._zone_out(cell, values["cell"])

    def _zone_out(self, old: Tensor, new: Tensor) -> Tensor:
        if not self.zoneout:
            return new
        if self.training:
            return torch.where(torch.rand_like(new) < self.zoneout, old, new)
        return self.zoneout * old + (1 - self.zoneout) * new

    @torch.no_grad()
    def trace(self, inputs: Tensor, start: LayerState | None = None) -> dict[str, Tensor]:
        """Gates, cell and hidden state at every step, (B, T, H) each."""
        hidden, cell = start or (inputs.new_zeros(len(inputs), self.width),) * 2
        steps: list[dict[str, Tensor]] = []
        for x in self.project(inputs).unbind(1):
            values = self.step(x, hidden, cell, self.weight_recurrent)
            values["hidden"] = hidden = self._zone_out(hidden, values["hidden"])
            values["cell"] = cell = self._zone_out(cell, values["cell"])
            steps.append(values)
        return stack_steps(steps)

    @torch.no_grad()
    def initialise(self, forget_bias: float) -> None:
        """Xavier input weights (Glorot & Bengio 2010), orthogonal recurrences (Saxe et al. 2014), forget bias."""
        for gate in self.weight_input.chunk(4):
            nn.init.xavier_uniform_(gate)
        for gate in self.weight_recurrent.chunk(4):
            nn.init.orthogonal_(gate)
        self.bias.zero_().chunk(4)[1].fill_(forget_bias)


class PeepholeLSTM(StepCell):
    """LSTM whose gates read the memory cell (Gers & Schmidhuber 2000).

    Input and forget gate read c_{t-1}, the output gate c_t, through diagonal weights. That paper has h_t = o ⊙ c_t;
    here h_t = o ⊙ tanh(c_t), as in every other LSTM and in Graves 2013, eq. 7-11::

        i = σ(W_i x_t + U_i h_{t-1} + p_i ⊙ c_{t-1} + b_i)      g = tanh(W_g x_t + U_g h_{t-1} + b_g)
        f = σ(W_f x_t + U_f h_{t-1} + p_f ⊙ c_{t-1} + b_f)      c_t = f ⊙ c_{t-1} + i ⊙ g
        o = σ(W_o x_t + U_o h_{t-1} + p_o ⊙ c_t + b_o)          h_t = o ⊙ tanh(c_t)
    """

    def __init__(self, input_size: int, width: int, *, weight_dropout: float = 0.0, zoneout: float = 0.0) -> None:
        super().__init__(input_size, width, weight_dropout=weight_dropout, zoneout=zoneout)
        self.peepholes = nn.Parameter(torch.empty(3, width))

    def project(self, inputs: Tensor) -> Tensor:
        """W x + b of every gate."""
        return functional.linear(inputs, self.weight_input, self.bias)

    def step(self, x: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """One step of the equations above."""
        i, f, g, o = (x + functional.linear(hidden, weight)).chunk(4, dim=-1)
        p_i, p_f, p_o = self.peepholes.unbind()
        i, f = torch.sigmoid(i + p_i * cell), torch.sigmoid(f + p_f * cell)
        cell = f * cell + i * torch.tanh(g)
        o = torch.sigmoid(o + p_o * cell)
        return {"input gate": i, "forget gate": f, "output gate": o, "cell": cell, "hidden": o * torch.tanh(cell)}

    @torch.no_grad()
    def initialise(self, forget_bias: float) -> None:
        """As every LSTM; peephole weights are zero."""
        super().initialise(forget_bias)
        self.peepholes.zero_()


class LayerNormLSTM(StepCell):
    """LSTM with layer normalisation (Ba, Kiros & Hinton 2016, eq. 20-22).

    LN(v) = (v - mean v) / std v ⊙ gain, with another gain in each of the three; the shifts are b and d::

        (i, f, g, o) = LN(W x_t) + LN(U h_{t-1}) + b
        c_t = σ(f) ⊙ c_{t-1} + σ(i) ⊙ tanh(g)      h_t = σ(o) ⊙ tanh(LN(c_t) + d)
    """

    def __init__(self, input_size: int, width: int, *, weight_dropout: float = 0.0, zoneout: float = 0.0) -> None:
        super().__init__(input_size, width, weight_dropout=weight_dropout, zoneout=zoneout)
        self.gain_input = nn.Parameter(torch.ones(4 * width))
        self.gain_recurrent = nn.Parameter(torch.ones(4 * width))
        self.gain_cell = nn.Parameter(torch.ones(width))
        self.shift_cell = nn.Parameter(torch.zeros(width))

    def project(self, inputs: Tensor) -> Tensor:
        """LN(W x) + b of every gate."""
        products = functional.linear(inputs, self.weight_input)
        return functional.layer_norm(products, products.shape[-1:], self.gain_input, self.bias)

    def step(self, x: Tensor, hidden: Tensor, cell: Tensor, weight: Tensor) -> dict[str, Tensor]:
        """One step of the equations above."""
        products = functional.linear(hidden, weight)
        sums = x + functional.layer_norm(products, products.shape[-1:], self.gain_recurrent)
        i, f, g, o = sums.chunk(4, dim=-1)
        i, f, o = torch.sigmoid(i), torch.sigmoid(f), torch.sigmoid(o)
        cell = f * cell + i * torch.tanh(g)
        normalised = functional.layer_norm(cell, cell.shape[-1:], self.gain_cell, self.shift_cell)
        return {"input gate": i, "forget gate": f, "output gate": o, "cell": cell, "hidden": o * torch.tanh(normalised)}

    @torch.no_grad()
    def initialise(self, forget_bias: float) -> None:
        """As every LSTM; gains are 1 and shifts 0."""
        super().initialise(forget_bias)
        for gain in (self.gain_input, self.gain_recurrent, self.gain_cell):
            gain.fill_(1.0)
        self.shift_cell.zero_()
