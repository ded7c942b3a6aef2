"""Stacks of recurrent layers, whatever their cells.

Shapes: ``B`` batch, ``T`` time, ``E`` input width, ``H`` width of a layer, ``C`` width of what is read beside it.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from seq2seq.model.cells import FusedCell
from seq2seq.model.state import LayerState, State
from seq2seq.model.step_cells import StepCell

Cell = FusedCell | StepCell


class BidirectionalLayer(nn.Module):
    """Two cells, one reading from each end (Schuster & Paliwal 1997).

    Args:
        forward_cell: reads front to back.
        backward_cell: reads back to front.
        merge: ``concat`` puts the two outputs, and the two states, side by side; ``sum`` adds them.
    """

    def __init__(self, forward_cell: Cell, backward_cell: Cell, merge: Literal["concat", "sum"]) -> None:
        super().__init__()
        self.forward_cell = forward_cell
        self.backward_cell = backward_cell
        self.merge = merge

    def forward(
        self, inputs: Tensor, start: LayerState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, LayerState]:
        """Runs over whole sequences, as a cell does; it always starts at zero."""
        ahead, final_ahead = self.forward_cell(inputs, None, lengths)
        back, final_back = self.backward_cell(reverse(inputs, lengths), None, lengths)
        final = zip(final_ahead, final_back, strict=True)
        return self._merge(ahead, reverse(back, lengths)), tuple(self._merge(one, other) for one, other in final)

    def _merge(self, one: Tensor, other: Tensor) -> Tensor:
        return torch.cat([one, other], dim=-1) if self.merge == "concat" else one + other


class RecurrentStack(nn.Module):
    """Layers each reading the outputs of the one below.

    Dropout touches only what goes up, never what goes on in time (Zaremba et al. 2014). It lies between
    the layers rather than inside a deep ``nn.LSTM``, where cuDNN's is not reproducible.

    Args:
        layers: bottom first.
        dropout: for the outputs of every layer, the top one included.
        residual: for each layer, whether its input is added to its output (Wu et al. 2016, §3.1).

    Attributes:
        devices: of each layer, where they do not all lie on one.
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
            state: where each layer starts; None: at zero.
            lengths: (B,) on the CPU, needed only where sequences differ in length *and* the final state or
                a backward reader matters; None: every row is T long.
            context: (B, T, C), read by every layer next to the outputs of the one below.

        Returns:
            Outputs of the top layer (B, T, H), and the state of every layer after each row's last real step.
        """
        # A graph that is being exported is for all lengths.
        if lengths is not None and not torch.compiler.is_exporting() and bool((lengths == inputs.shape[1]).all()):
            lengths = None
        final: list[LayerState] = []
        for index, layer in enumerate(self.layers):
            start = None if state is None else state.layer(index)
            if self.devices:
                inputs = inputs.to(self.devices[index])
                start = None if start is None else tuple(part.to(inputs.device) for part in start)
            below = inputs if context is None else torch.cat([inputs, context.to(inputs.device)], dim=-1)
            outputs, last = layer(below, start, lengths)
            outputs = self.dropout(outputs)
            inputs = inputs + outputs if self.residual[index] else outputs
            final.append(last)
        return inputs, State.of(final)

    def spread(self, devices: Sequence[torch.device]) -> None:
        """Moves each layer to a device of its own; what runs through them follows."""
        for layer, device in zip(self.layers, devices, strict=True):
            layer.to(device)
        self.devices = tuple(devices)


def reverse(sequence: Tensor, lengths: Tensor | None) -> Tensor:
    """Each row (B, T, …) back to front, padding left at the end.

    ``[a b c _]`` of length 3 becomes ``[c b a _]``.
    """
    if lengths is None:
        return sequence.flip(1)
    steps = torch.arange(sequence.shape[1])
    mirrored = lengths.unsqueeze(1) - 1 - steps
    index = torch.where(mirrored >= 0, mirrored, steps).to(sequence.device)
    return sequence.gather(1, index.unsqueeze(-1).expand(-1, -1, sequence.shape[-1]))
