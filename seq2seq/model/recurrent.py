"""Stacks of recurrent layers, whatever their cells.

Shapes: ``B`` batch, ``T`` time, ``E`` input width, ``H`` width of a layer, ``C`` width of the context.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from seq2seq.model.cells import FusedCell
from seq2seq.model.state import LayerState, State
from seq2seq.model.step_cells import StepCell

Cell = FusedCell | StepCell


class BidirectionalLayer(nn.Module):
    """Two cells, one for each direction (Schuster & Paliwal 1997); outputs and states are concatenated.

    Args:
        forward_cell: reads from the first step to the last.
        backward_cell: reads from the last step to the first.
    """

    def __init__(self, forward_cell: Cell, backward_cell: Cell) -> None:
        super().__init__()
        self.forward_cell = forward_cell
        self.backward_cell = backward_cell

    def forward(
        self, inputs: Tensor, start: LayerState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, LayerState]:
        """Runs over whole sequences, as a cell does; both cells start at zero, whatever ``start`` is."""
        forward_outputs, forward_final = self.forward_cell(inputs, None, lengths)
        backward_outputs, backward_final = self.backward_cell(reverse(inputs, lengths), None, lengths)
        outputs = torch.cat([forward_outputs, reverse(backward_outputs, lengths)], dim=-1)
        return outputs, tuple(torch.cat(pair, dim=-1) for pair in zip(forward_final, backward_final, strict=True))


class RecurrentStack(nn.Module):
    """Recurrent layers, each reading the outputs of the one below.

    Dropout is applied to what goes up, never to what goes on in time (Zaremba et al. 2014). It lies between the
    layers rather than inside a deep ``nn.LSTM``, where cuDNN's dropout is not reproducible.

    Args:
        layers: bottom first.
        dropout: for the outputs of every layer, the top one included.
        residual: for each layer, whether its input is added to its output (Wu et al. 2016, §3.1).

    Attributes:
        devices: the device of each layer; empty if all are on one.
    """

    def __init__(
        self, layers: Sequence[Cell | BidirectionalLayer], dropout: nn.Module, residual: Sequence[bool]
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.devices: tuple[torch.device, ...] = ()
        self.dropout = dropout
        self.residual = tuple(residual)

    def forward(
        self, inputs: Tensor, state: State | None = None, lengths: Tensor | None = None, context: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Runs the stack over whole sequences.

        Args:
            inputs: (B, T, E), padding at the end.
            state: initial state of each layer; None: zero.
            lengths: (B,), needed only where sequences differ in length *and* the final state or a backward cell
                matters; None: every row is T long.
            context: (B, T, C), concatenated to the inputs of every layer.

        Returns:
            Outputs of the top layer (B, T, H), and the state of every layer after each row's last real step.
        """
        final: list[LayerState] = []
        for index, layer in enumerate(self.layers):
            start = None if state is None else state.layer(index)
            if self.devices:
                inputs = inputs.to(self.devices[index])
                start = None if start is None else tuple(tensor.to(inputs.device) for tensor in start)
                lengths = None if lengths is None else lengths.to(inputs.device)
            layer_inputs = inputs if context is None else torch.cat([inputs, context.to(inputs.device)], dim=-1)
            outputs, last = layer(layer_inputs, start, lengths)
            outputs = self.dropout(outputs)
            inputs = inputs + outputs if self.residual[index] else outputs
            final.append(last)
        return inputs, State.of(final)

    def spread(self, devices: Sequence[torch.device]) -> None:
        """Moves each layer to its own device; :meth:`forward` moves inputs and states after them."""
        for layer, device in zip(self.layers, devices, strict=True):
            layer.to(device)
        self.devices = tuple(devices)


def reverse(sequence: Tensor, lengths: Tensor | None) -> Tensor:
    """Reverses each row of (B, T, …), leaving padding at the end: ``[a b c _]`` of length 3 becomes ``[c b a _]``."""
    if lengths is None:
        return sequence.flip(1)
    steps = torch.arange(sequence.shape[1], device=sequence.device)
    mirrored = lengths.unsqueeze(1) - 1 - steps
    index = torch.where(mirrored >= 0, mirrored, steps)
    return sequence.gather(1, index.unsqueeze(-1).expand(-1, -1, sequence.shape[-1]))


class VariationalDropout(nn.Dropout1d):
    """Dropout with one mask for all time steps of a sequence (Gal & Ghahramani 2016, §4)."""

    def forward(self, sequence: Tensor) -> Tensor:
        """Zeroes the same units of (B, T, H) at every step and scales the others up."""
        return super().forward(sequence.mT).mT
