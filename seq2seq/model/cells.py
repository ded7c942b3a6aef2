"""Recurrent cells on fused kernels: simple RNN, LSTM and GRU. The others are in :mod:`seq2seq.model.step_cells`.

The contract of every cell: ``forward(inputs, start, lengths)`` runs it over whole sequences; ``trace`` computes the
same step by step and returns gates and states; ``initialise`` draws the weights.

Shapes: ``B`` batch, ``T`` time, ``E`` input width, ``H`` width of the layer.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from seq2seq.model.state import LayerState

_RECURRENT = "weight_hh_l0"
# ±1e4 saturates the sigmoid to exactly 0 or 1 in every precision.
_SATURATING = 1e4


class FusedCell(nn.Module):
    """A recurrent layer that runs a whole sequence in one call of a fused kernel (cuDNN, oneDNN).

    Args:
        kernel: a one-layer torch module.
        weight_dropout: probability of zeroing a hidden-to-hidden weight, one draw for all time steps
            (DropConnect, Merity et al. 2018, §2); the kernel stays fused.
    """

    num_states: ClassVar[int]
    """Tensors in the layer's state: 2, h and c, with a memory cell, else 1."""
    forget_gate: ClassVar[int | None] = None
    """Number of the gate that gets the forget bias."""

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
            lengths: (B,); None: every row is T long.

        Returns:
            Outputs (B, T, H), zero at padding, and the state after each row's last real step.
        """
        start = start or self._zeros(inputs)
        if lengths is not None:
            return self._run_padded(inputs, start, lengths)
        return self._run(inputs, start, self._weights())

    def _zeros(self, inputs: Tensor) -> LayerState:
        return tuple(inputs.new_zeros(len(inputs), self.kernel.hidden_size) for _ in range(self.num_states))

    @abstractmethod
    def _run(self, inputs: Tensor, start: LayerState, weights: list[Tensor]) -> tuple[Tensor, LayerState]:
        """Runs every row for T steps with the weights of :meth:`_weights`."""

    def _weights(self) -> list[Tensor]:
        """Input weights, recurrent weights and their two biases, as torch orders them."""
        weight_ih, weight_hh, bias_ih, bias_hh = self.kernel.parameters()
        return [weight_ih, functional.dropout(weight_hh, self.weight_dropout, self.training), bias_ih, bias_hh]

    def _run_padded(self, inputs: Tensor, start: LayerState, lengths: Tensor) -> tuple[Tensor, LayerState]:
        """Rows of different lengths, as a rectangle.

        Packing them would miss the fused kernel of a CPU (up to 15× slower, docs/log.md), and on a GPU the host would
        have to wait. Steps at padding, after a row's end, are computed and discarded.
        """
        outputs, _ = self._run(inputs, start, self._weights())
        return _zero_padding(outputs, lengths), (_last_real(outputs, lengths),)

    @torch.no_grad()
    def trace(self, inputs: Tensor, start: LayerState | None = None) -> dict[str, Tensor]:
        """Gates and states by name at every step of unpadded inputs, (B, T, H) each; ``hidden`` is always there."""
        state, steps = start or self._zeros(inputs), []
        for x in inputs.unbind(1):
            values = self._trace_step(x, state)
            state = (values["hidden"], values["cell"]) if self.num_states == 2 else (values["hidden"],)
            steps.append(values)
        return stack_steps(steps)

    @abstractmethod
    def _trace_step(self, x: Tensor, state: LayerState) -> dict[str, Tensor]:
        """Gates and new states at one step, (B, H) each, from its input (B, E) and the previous state."""

    @torch.no_grad()
    def initialise(self, forget_bias: float) -> None:
        """Xavier input weights (Glorot & Bengio 2010), orthogonal recurrences (Saxe et al. 2014), forget bias."""
        # torch concatenates the gates along the first axis.
        gates = self.kernel.get_parameter(_RECURRENT).shape[0] // self.kernel.hidden_size
        for name, parameter in self.kernel.named_parameters():
            for number, gate in enumerate(parameter.chunk(gates)):
                if name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(gate)
                elif name.startswith("weight_hh"):
                    self._initialise_recurrence(gate)
                else:
                    # torch adds two biases: one has the gate's value, the other is zero.
                    gate.fill_(forget_bias if name.startswith("bias_ih") and number == self.forget_gate else 0.0)

    def _initialise_recurrence(self, gate: Tensor) -> None:
        nn.init.orthogonal_(gate)

    def _gates(self, x: Tensor, hidden: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """``W x + b`` and ``U h + b'`` of each gate at one step, (B, H) each."""
        weight_ih, weight_hh, bias_ih, bias_hh = (parameter.detach() for parameter in self.kernel.parameters())
        width = self.kernel.hidden_size
        from_input = functional.linear(x, weight_ih, bias_ih)
        from_hidden = functional.linear(hidden, weight_hh, bias_hh)
        return from_input.split(width, dim=-1), from_hidden.split(width, dim=-1)


class LSTM(FusedCell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000).

    ::

        i = σ(W_i x_t + U_i h_{t-1} + b_i)      f = σ(W_f x_t + U_f h_{t-1} + b_f)
        o = σ(W_o x_t + U_o h_{t-1} + b_o)      g = tanh(W_g x_t + U_g h_{t-1} + b_g)
        c_t = f ⊙ c_{t-1} + i ⊙ g               h_t = o ⊙ tanh(c_t)
    """

    num_states, forget_gate = 2, 1

    def __init__(self, input_size: int, width: int, *, weight_dropout: float = 0.0) -> None:
        super().__init__(nn.LSTM(input_size, width, batch_first=True), weight_dropout)

    def _run(self, inputs: Tensor, start: LayerState, weights: list[Tensor]) -> tuple[Tensor, LayerState]:
        initial = [state.unsqueeze(0) for state in start]
        outputs, hidden, cell = torch.lstm(inputs, initial, weights, True, 1, 0.0, self.training, False, True)
        return outputs, (hidden[0], cell[0])

    def _run_padded(self, inputs: Tensor, start: LayerState, lengths: Tensor) -> tuple[Tensor, LayerState]:
        # The outputs contain h of a row's last real step but not c, so c must pass through padding unchanged: one more
        # input flags padding, and its fixed weights close the input gate and open the forget gate.
        weights = self._weights()
        inputs, weights[0] = _flag_padding(inputs, lengths, weights[0], (-_SATURATING, _SATURATING, 0.0, 0.0))
        outputs, (_, cell) = self._run(inputs, start, weights)
        return _zero_padding(outputs, lengths), (_last_real(outputs, lengths), cell)

    def _trace_step(self, x: Tensor, state: LayerState) -> dict[str, Tensor]:
        hidden, cell = state
        i, f, g, o = (a + b for a, b in zip(*self._gates(x, hidden), strict=True))
        i, f, o = i.sigmoid(), f.sigmoid(), o.sigmoid()
        cell = f * cell + i * g.tanh()
        return {"input gate": i, "forget gate": f, "output gate": o, "cell": cell, "hidden": o * cell.tanh()}


class GRU(FusedCell):
    """Gated recurrent unit (Cho et al. 2014, eq. 5-8).

    As in cuDNN, the reset gate acts on the product with the hidden state instead of on the state::

        r = σ(W_r x_t + U_r h_{t-1} + b_r)      n = tanh(W_n x_t + b_n + r ⊙ (U_n h_{t-1} + b'_n))
        z = σ(W_z x_t + U_z h_{t-1} + b_z)      h_t = z ⊙ h_{t-1} + (1 - z) ⊙ n

    The forget bias goes to the update gate, which plays the part of the forget gate of an LSTM.
    """

    num_states, forget_gate = 1, 1

    def __init__(self, input_size: int, width: int, *, weight_dropout: float = 0.0) -> None:
        super().__init__(nn.GRU(input_size, width, batch_first=True), weight_dropout)

    def _run(self, inputs: Tensor, start: LayerState, weights: list[Tensor]) -> tuple[Tensor, LayerState]:
        outputs, hidden = torch.gru(inputs, start[0].unsqueeze(0), weights, True, 1, 0.0, self.training, False, True)
        return outputs, (hidden[0],)

    def _trace_step(self, x: Tensor, state: LayerState) -> dict[str, Tensor]:
        (hidden,) = state
        (r, z, n), (hidden_r, hidden_z, hidden_n) = self._gates(x, hidden)
        r, z = (r + hidden_r).sigmoid(), (z + hidden_z).sigmoid()
        n = (n + r * hidden_n).tanh()
        return {"reset gate": r, "update gate": z, "candidate": n, "hidden": z * hidden + (1 - z) * n}


class RNN(FusedCell):
    """Simple recurrent network (Elman 1990): ``h_t = φ(W x_t + U h_{t-1} + b)``.

    φ is tanh or ReLU; ReLU starts with U = identity (Le, Jaitly & Hinton 2015).
    """

    num_states = 1

    def __init__(self, input_size: int, width: int, *, nonlinearity: str = "tanh", weight_dropout: float = 0.0) -> None:
        super().__init__(nn.RNN(input_size, width, nonlinearity=nonlinearity, batch_first=True), weight_dropout)

    def _run(self, inputs: Tensor, start: LayerState, weights: list[Tensor]) -> tuple[Tensor, LayerState]:
        run = torch.rnn_tanh if self.kernel.nonlinearity == "tanh" else torch.rnn_relu
        outputs, hidden = run(inputs, start[0].unsqueeze(0), weights, True, 1, 0.0, self.training, False, True)
        return outputs, (hidden[0],)

    def _run_padded(self, inputs: Tensor, start: LayerState, lengths: Tensor) -> tuple[Tensor, LayerState]:
        if self.kernel.nonlinearity == "tanh":
            return super()._run_padded(inputs, start, lengths)
        # Rectified units could overflow at padding, and the gradient ∞ · 0 is NaN, so they are forced to 0 there.
        weights = self._weights()
        inputs, weights[0] = _flag_padding(inputs, lengths, weights[0], (-_SATURATING,))
        outputs, _ = self._run(inputs, start, weights)
        return _zero_padding(outputs, lengths), (_last_real(outputs, lengths),)

    def _initialise_recurrence(self, gate: Tensor) -> None:
        if self.kernel.nonlinearity == "relu":
            nn.init.eye_(gate)
        else:
            nn.init.orthogonal_(gate)

    def _trace_step(self, x: Tensor, state: LayerState) -> dict[str, Tensor]:
        (from_input,), (from_hidden,) = self._gates(x, state[0])
        total = from_input + from_hidden
        return {"hidden": total.tanh() if self.kernel.nonlinearity == "tanh" else total.relu()}


def step_mask(sequence: Tensor, lengths: Tensor) -> Tensor:
    """True at the real steps of a sequence (B, T, …), (B, T, 1)."""
    return (torch.arange(sequence.shape[1], device=sequence.device) < lengths.unsqueeze(1)).unsqueeze(-1)


def _flag_padding(inputs: Tensor, lengths: Tensor, weight: Tensor, gates: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Flags padding by more input columns, whose fixed weights add ``gates`` to the gates there.

    Args:
        inputs: (B, T, E).
        lengths: (B,).
        weight: input weights, (gates · H, E).
        gates: a number for each gate.

    Returns:
        Inputs and weights with the columns appended.
    """
    columns = _flag_columns(inputs.device)
    flags = (~step_mask(inputs, lengths)).to(inputs.dtype).expand(-1, -1, columns)
    fixed = weight.new_zeros(len(weight), columns)
    for gate, value in zip(fixed.chunk(len(gates)), gates, strict=True):
        gate.fill_(value / columns)
    return torch.cat([inputs, flags], dim=-1), torch.cat([weight, fixed], dim=1)


def _flag_columns(device: torch.device) -> int:
    """How many columns share the flag's weight: cuDNN's fast kernels want widths in multiples of 8."""
    return 8 if device.type == "cuda" else 1


def _zero_padding(outputs: Tensor, lengths: Tensor) -> Tensor:
    return torch.where(step_mask(outputs, lengths), outputs, 0.0)


def _last_real(outputs: Tensor, lengths: Tensor) -> Tensor:
    """Output at the last real step of each row, (B, H)."""
    return outputs.gather(1, (lengths - 1).view(-1, 1, 1).expand(-1, 1, outputs.shape[-1])).squeeze(1)


def stack_steps(steps: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Named values of each step, (B, H), to named sequences, (B, T, H)."""
    return {name: torch.stack([step[name] for step in steps], dim=1) for name in steps[0]}
