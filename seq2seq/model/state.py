"""The records that pass between encoder, bridge, decoder and search.

Shapes: ``B`` batch, ``S`` source length, ``H`` width of a layer.
"""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class State:
    """What a stack of recurrent layers remembers between two time steps.

    One tensor for each layer, bottom first, so that layers of different widths fit and a decoding
    step need not take a stacked tensor apart.
    """

    hidden: tuple[Tensor, ...]
    """h of each layer, (B, H)."""
    cell: tuple[Tensor, ...]
    """c of each layer, (B, H)."""

    def select(self, index: Tensor) -> "State":
        """The state of the rows ``index`` (R,): how beam search reorders, repeats and drops hypotheses."""
        return State(
            tuple(layer.index_select(0, index) for layer in self.hidden),
            tuple(layer.index_select(0, index) for layer in self.cell),
        )


@dataclass(frozen=True, slots=True)
class Encoded:
    """What an encoder knows of a batch of sources."""

    memory: Tensor
    """Top layer's output at every source position, (B, S, H)."""
    mask: Tensor
    """True at real positions, (B, S)."""
    final: State
    """State of every layer after the last real token: the paper's fixed vector *v*."""
