"""Bridges: from the encoder's final state to the decoder's first one.

Shapes: ``B`` batch, ``H`` width of a layer.
"""

from collections.abc import Sequence

import torch
from torch import nn

from seq2seq.model.state import State


class CopyBridge(nn.Module):
    """Every decoder layer starts with the (h, c) of the encoder layer at its height (Sutskever et al. 2014)."""

    def forward(self, final: State) -> State:
        """Hands the state over as it is; both stacks have the same widths."""
        return final


class ProjectBridge(nn.Module):
    """Learned hand-over between stacks of any two shapes.

    Decoder layer *l* starts at ``h = tanh(W_l [h_1; …; h_L] + b_l)`` and ``c = V_l [c_1; …; c_L] + d_l``
    over all encoder layers. The cell has no tanh, since an LSTM's cell is not bounded.
    """

    def __init__(self, encoder_widths: Sequence[int], decoder_widths: Sequence[int]) -> None:
        super().__init__()
        total = sum(encoder_widths)
        self.hidden = nn.ModuleList(nn.Linear(total, width) for width in decoder_widths)
        self.cell = nn.ModuleList(nn.Linear(total, width) for width in decoder_widths)

    def forward(self, final: State) -> State:
        """Final encoder state, (B, H) a layer, to the decoder's start, (B, H') a layer."""
        hidden, cell = torch.cat(final.hidden, dim=-1), torch.cat(final.cell, dim=-1)
        return State(
            tuple(torch.tanh(layer(hidden)) for layer in self.hidden),
            tuple(layer(cell) for layer in self.cell),
        )
