"""Recurrent cells on fused kernels: simple RNN, LSTM and GRU. The others are in :mod:`seq2seq.model.step_cells`.

The contract of every cell: ``forward(inputs, start, lengths)`` runs it over whole sequences; ``trace`` writes
the same out step by step and returns what went on inside; ``initialise`` draws the weights.

Shapes: ``B`` batch, ``T`` time, ``E`` input width, ``H`` width of the layer.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seq2seq.model.state import LayerState

_RECURRENT = "weight_hh_l0"
# Beside it all else in a gate is nothing: its sigmoid is exactly 0 or 1 in every precision.
_SHUT = 1e4


class FusedCell(nn.Module):
    """A layer whose whole sequence is one call of a fused kernel (cuDNN, oneDNN).

    Args:
        kernel: a one-layer torch module.
        weight_dropout: probability of zeroing a hidden-to-hidden weight, one draw for all time steps
            (DropConnect, Merity et al. 2018, §2); the kernel stays fused.
    """

    parts: ClassVar[int]
    """Tensors in the layer's state: 2 with a memory cell, else 1."""

    def __init__(self, kernel: nn.RNNBase, weight_dropout: float) -> None:
        super().__init__()
        self.kernel = kernel
        self.weight_dropout = weight_dropout

    def forward(
        self, inputs: Tensor, start: LayerState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, LayerState]:
        """Runs over whole sequences.

        Args:
            inputs: (B, T, E), padding at the end.
            start: the state before the first step; None: zero.
            lengths: (B,) on the CPU; None: every row is T long.

        Returns:
            Outputs (B, T, H), zero at padding, and the state after each row's last real step.
        """
        if lengths is None:
            return self._run(inputs, start, self._weights())
        return self._run_packed(inputs, start, lengths) if inputs.is_cuda else self._run_padded(inputs, start, lengths)

    @abstractmethod
    def _run(self, inputs: Tensor, start: LayerState | None, weights: list[Tensor]) -> tuple[Tensor, LayerState]:
        """Every step of every row; the weights are those of :meth:`_weights`."""

    def _weights(self) -> list[Tensor]:
        """Input weights, recurrent weights and their two biases, as torch orders them."""
        weight_ih, weight_hh, bias_ih, bias_hh = self.kernel.parameters()
        return [weight_ih, functional.dropout(weight_hh, self.weight_dropout, self.training), bias_ih, bias_hh]

    def _run_padded(self, inputs: Tensor, start: LayerState | None, lengths: Tensor) -> tuple[Tensor, LayerState]:
        """Rows of different lengths on a CPU, where packing leaves the fused kernel (long ones: 15×, docs/log.md).

        What happens at padding, after a row's end, is computed and thrown away.
        """
        outputs, _ = self._run(inputs, start, self._weights())
        return _zero_padding(outputs, lengths), (_last(outputs, lengths),)

    def _run_packed(self, inputs: Tensor, start: LayerState | None, lengths: Tensor) -> tuple[Tensor, LayerState]:
        """Rows of different lengths on a GPU."""
        sequence = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
        before = _layered(start)
        if self.training and self.weight_dropout:
            outputs, after = functional_call(self.kernel, {_RECURRENT: self._weights()[1]}, (sequence, before))
        else:
            outputs, after = self.kernel(sequence, before)
        outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=inputs.shape[1])
        return outputs, tuple(part[0] for part in (after if self.parts == 2 else (after,)))

    @abstractmethod
    def trace(self, inputs: Tensor, start: LayerState | None = None) -> dict[str, Tensor]:
        """What goes on inside at every step without padding, (B, T, H) each, ``hidden`` among them."""

    @torch.no_grad()
    def initialise(self, forget_bias: float) -> None:
        """Xavier input weights (Glorot & Bengio 2010), orthogonal recurrences (Saxe et al. 2014), forget bias."""
        # torch keeps the gates one below the other.
        gates = self.kernel.get_parameter(_RECURRENT).shape[0] // self.kernel.hidden_size
        for name, parameter in self.kernel.named_parameters():
            for number, gate in enumerate(parameter.chunk(gates)):
                if name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(gate)
                elif name.startswith("weight_hh"):
                    self._initialise_recurrence(gate)
                else:
                    # torch adds two biases: the gate's share goes to one of them.
                    gate.fill_(self._bias(number, forget_bias) if name.startswith("bias_ih") else 0.0)

    def _initialise_recurrence(self, gate: Tensor) -> None:
        nn.init.orthogonal_(gate)

    def _bias(self, gate: int, forget_bias: float) -> float:
        return 0.0

    def _gates(self, x: Tensor, hidden: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Shares of input and recurrence in each gate at one step, (B, H) each, biases included."""
        weight_ih, weight_hh, bias_ih, bias_hh = (parameter.detach() for parameter in self.kernel.parameters())
        width = self.kernel.hidden_size
        ours = functional.linear(x, weight_ih, bias_ih)
        theirs = functional.linear(hidden, weight_hh, bias_hh)
        return ours.split(width, dim=-1), theirs.split(width, dim=-1)


class LSTM(FusedCell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000).

    ::

        i = σ(W_i x_t + U_i h_{t-1} + b_i)      f = σ(W_f x_t + U_f h_{t-1} + b_f)
        o = σ(W_o x_t + U_o h_{t-1} + b_o)      g = tanh(W_g x_t + U_g h_{t-1} + b_g)
        c_t = f ⊙ c_{t-1} + i ⊙ g               h_t = o ⊙ tanh(c_t)
    """

    parts = 2

    def __init__(self, input_size: int, width: int, *, weight_dropout: float = 0.0) -> None:
        super().__init__(nn.LSTM(input_size, width, batch_first=True), weight_dropout)

    def _run(self, inputs: Tensor, start: LayerState | None, weights: list[Tensor]) -> tuple[Tensor, LayerState]:
        before = start or _zeros(inputs, self.kernel.hidden_size, 2)
        hx = [part.unsqueeze(0) for part in before]
        outputs, hidden, cell = torch.lstm(inputs, hx, weights, True, 1, 0.0, self.training, False, True)
        return outputs, (hidden[0], cell[0])

    def _run_padded(self, inputs: Tensor, start: LayerState | None, lengths: Tensor) -> tuple[Tensor, LayerState]:
        # The outputs tell h of a row's last real step but not c. So padding is made to leave c alone: one more
        # input says "padding", and its fixed weights shut the input gate and open the forget gate entirely.
        weights = self._weights()
        gates = weights[0].new_tensor([-_SHUT, _SHUT, 0.0, 0.0])
        inputs, weights[0] = _flag_padding(inputs, lengths, weights[0], gates)
        outputs, (_, cell) = self._run(inputs, start, weights)
        return _zero_padding(outputs, lengths), (_last(outputs, lengths), cell)

    def _bias(self, gate: int, forget_bias: float) -> float:
        return forget_bias if gate == 1 else 0.0

    @torch.no_grad()
    def trace(self, inputs: Tensor, start: LayerState | None = None) -> dict[str, Tensor]:
        """Gates, cell and hidden state at every step, (B, T, H) each."""
        hidden, cell = start or _zeros(inputs, self.kernel.hidden_size, 2)
        steps = []
        for x in inputs.unbind(1):
            ours, theirs = self._gates(x, hidden)
            sums = [a + b for a, b in zip(ours, theirs, strict=True)]
            i, f, o, g = sums[0].sigmoid(), sums[1].sigmoid(), sums[3].sigmoid(), sums[2].tanh()
            cell = f * cell + i * g
            hidden = o * cell.tanh()
            steps.append((i, f, o, cell, hidden))
        return _columns(("input gate", "forget gate", "output gate", "cell", "hidden"), steps)


class GRU(FusedCell):
    """Gated recurrent unit (Cho et al. 2014, eq. 5-8).

    As in cuDNN, the reset gate acts on the product with the hidden state instead of on the state::

        r = σ(W_r x_t + U_r h_{t-1} + b_r)      n = tanh(W_n x_t + b_n + r ⊙ (U_n h_{t-1} + b'_n))
        z = σ(W_z x_t + U_z h_{t-1} + b_z)      h_t = z ⊙ h_{t-1} + (1 - z) ⊙ n

    The update gate keeps what the forget gate of an LSTM keeps, so the forget bias goes to it.
    """

    parts = 1

    def __init__(self, input_size: int, width: int, *, weight_dropout: float = 0.0) -> None:
        super().__init__(nn.GRU(input_size, width, batch_first=True), weight_dropout)

    def _run(self, inputs: Tensor, start: LayerState | None, weights: list[Tensor]) -> tuple[Tensor, LayerState]:
        (before,) = start or _zeros(inputs, self.kernel.hidden_size, 1)
        outputs, hidden = torch.gru(inputs, before.unsqueeze(0), weights, True, 1, 0.0, self.training, False, True)
        return outputs, (hidden[0],)

    def _bias(self, gate: int, forget_bias: float) -> float:
        return forget_bias if gate == 1 else 0.0

    @torch.no_grad()
    def trace(self, inputs: Tensor, start: LayerState | None = None) -> dict[str, Tensor]:
        """Gates and hidden state at every step, (B, T, H) each."""
        (hidden,) = start or _zeros(inputs, self.kernel.hidden_size, 1)
        steps = []
        for x in inputs.unbind(1):
            ours, theirs = self._gates(x, hidden)
            r, z = (ours[0] + theirs[0]).sigmoid(), (ours[1] + theirs[1]).sigmoid()
            n = (ours[2] + r * theirs[2]).tanh()
            hidden = z * hidden + (1 - z) * n
            steps.append((r, z, n, hidden))
        return _columns(("reset gate", "update gate", "candidate", "hidden"), steps)


class RNN(FusedCell):
    """Simple recurrent network (Elman 1990): ``h_t = φ(W x_t + U h_{t-1} + b)``.

    φ is tanh or ReLU; ReLU starts with U = identity (Le, Jaitly & Hinton 2015).
    """

    parts = 1

    def __init__(self, input_size: int, width: int, *, nonlinearity: str = "tanh", weight_dropout: float = 0.0) -> None:
        super().__init__(nn.RNN(input_size, width, nonlinearity=nonlinearity, batch_first=True), weight_dropout)

    def _run(self, inputs: Tensor, start: LayerState | None, weights: list[Tensor]) -> tuple[Tensor, LayerState]:
        (before,) = start or _zeros(inputs, self.kernel.hidden_size, 1)
        run = torch.rnn_tanh if self.kernel.nonlinearity == "tanh" else torch.rnn_relu
        outputs, hidden = run(inputs, before.unsqueeze(0), weights, True, 1, 0.0, self.training, False, True)
        return outputs, (hidden[0],)

    def _run_padded(self, inputs: Tensor, start: LayerState | None, lengths: Tensor) -> tuple[Tensor, LayerState]:
        if self.kernel.nonlinearity == "tanh":
            return super()._run_padded(inputs, start, lengths)
        # Rectified units could grow beyond all bounds at padding, and infinity times a gradient of 0 is no number.
        weights = self._weights()
        inputs, weights[0] = _flag_padding(inputs, lengths, weights[0], weights[0].new_full((1,), -_SHUT))
        outputs, _ = self._run(inputs, start, weights)
        return _zero_padding(outputs, lengths), (_last(outputs, lengths),)

    def _initialise_recurrence(self, gate: Tensor) -> None:
        if self.kernel.nonlinearity == "relu":
            nn.init.eye_(gate)
        else:
            nn.init.orthogonal_(gate)

    @torch.no_grad()
    def trace(self, inputs: Tensor, start: LayerState | None = None) -> dict[str, Tensor]:
        """Hidden state at every step, (B, T, H)."""
        (hidden,) = start or _zeros(inputs, self.kernel.hidden_size, 1)
        steps = []
        for x in inputs.unbind(1):
            (ours,), (theirs,) = self._gates(x, hidden)
            hidden = torch.tanh(ours + theirs) if self.kernel.nonlinearity == "tanh" else torch.relu(ours + theirs)
            steps.append((hidden,))
        return _columns(("hidden",), steps)


def _zeros(inputs: Tensor, width: int, parts: int) -> LayerState:
    return tuple(inputs.new_zeros(len(inputs), width) for _ in range(parts))


def _layered(state: LayerState | None) -> Tensor | LayerState | None:
    """A state as torch's modules want it: with a layer axis, and bare if it is one tensor."""
    if state is None:
        return None
    parts = tuple(part.unsqueeze(0) for part in state)
    return parts if len(parts) > 1 else parts[0]


def step_mask(sequence: Tensor, lengths: Tensor) -> Tensor:
    """True at the real steps of (B, T, …), (B, T, 1)."""
    return (torch.arange(sequence.shape[1]) < lengths.unsqueeze(1)).unsqueeze(-1).to(sequence.device)


def _flag_padding(inputs: Tensor, lengths: Tensor, weight: Tensor, gates: Tensor) -> tuple[Tensor, Tensor]:
    """Inputs with one more column that is 1 at padding, and input weights with what it adds to each gate there."""
    flag = (~step_mask(inputs, lengths)).to(inputs.dtype)
    column = gates.repeat_interleave(len(weight) // len(gates)).unsqueeze(1)
    return torch.cat([inputs, flag], dim=-1), torch.cat([weight, column], dim=1)


def _zero_padding(outputs: Tensor, lengths: Tensor) -> Tensor:
    return torch.where(step_mask(outputs, lengths), outputs, 0.0)


def _last(outputs: Tensor, lengths: Tensor) -> Tensor:
    """Output of each row's last real step, (B, H)."""
    return outputs[torch.arange(len(outputs)), (lengths - 1).to(outputs.device)]


def _columns(names: tuple[str, ...], steps: Sequence[tuple[Tensor, ...]]) -> dict[str, Tensor]:
    """Named sequences (B, T, H) out of the values of each step."""
    return {name: torch.stack(values, dim=1) for name, values in zip(names, zip(*steps, strict=True), strict=True)}
