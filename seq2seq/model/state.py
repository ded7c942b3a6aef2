"""The records that pass between encoder, bridge, decoder and search.

Shapes: ``B`` batch, ``R`` rows being decoded, ``S`` source length, ``H`` width of a layer, ``M`` width of the
memory, ``C`` of the summary, ``F`` of the features.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

LayerState = tuple[Tensor, ...]
"""What one layer remembers between two time steps: (h,) or (h, c), each (B, H)."""


@dataclass(frozen=True, slots=True)
class State:
    """What a stack of recurrent layers remembers between two time steps.

    One tensor for each layer, bottom first, so that layers of different widths fit and a decoding
    step need not take a stacked tensor apart.
    """

    hidden: tuple[Tensor, ...]
    """h of each layer, (B, H)."""
    cell: tuple[Tensor, ...] = ()
    """c of each layer, (B, H); empty for cells that have none (GRU, simple RNN)."""

    @classmethod
    def of(cls, layers: list[LayerState]) -> "State":
        """The state of a stack from those of its layers."""
        return cls(tuple(layer[0] for layer in layers), tuple(layer[1] for layer in layers if len(layer) > 1))

    def layer(self, index: int) -> LayerState:
        """The state of one layer."""
        return (self.hidden[index], self.cell[index]) if self.cell else (self.hidden[index],)

    def split(self, layers: int) -> tuple["State", "State"]:
        """The lowest ``layers`` and the others."""
        return State(self.hidden[:layers], self.cell[:layers]), State(self.hidden[layers:], self.cell[layers:])

    def above(self, lower: "State") -> "State":
        """These layers on top of lower ones: the inverse of :meth:`split`."""
        return State(lower.hidden + self.hidden, lower.cell + self.cell)

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
    """Top layer's output at every source position, (B, S, M)."""
    mask: Tensor
    """True at real positions, (B, S)."""
    final: State
    """State of every layer after the last real token: the paper's fixed vector *v*."""

    def mean(self) -> Tensor:
        """Mean of the memory over real positions, (B, M)."""
        real = self.mask.unsqueeze(-1)
        return (self.memory * real).sum(1) / real.sum(1)


@dataclass(frozen=True, slots=True)
class Memory:
    """What attention looks at; the same at every step of a sentence."""

    keys: Tensor
    """Projected once for each sentence, (R, S, any width)."""
    values: Tensor
    """(R, S, M)."""
    mask: Tensor
    """True at real positions, (R, S)."""
    sentence: Tensor
    """Which sentence each row belongs to, (R,)."""

    def select(self, index: Tensor) -> "Memory":
        """The rows ``index`` (R',). Hypotheses of one sentence share its memory: reordering them moves nothing."""
        sentence = self.sentence.index_select(0, index)
        if torch.equal(sentence, self.sentence):
            return self
        keys, values, mask = (part.index_select(0, index) for part in (self.keys, self.values, self.mask))
        return Memory(keys, values, mask, sentence)


@dataclass(frozen=True, slots=True)
class DecoderState:
    """Everything a decoder needs to go on by one token."""

    layers: State
    memory: Memory | None = None
    """For attention."""
    summary: Tensor | None = None
    """The source in one vector that enters every step, (R, C)."""
    fed: Tensor | None = None
    """Features of the step before, which input feeding reads, (R, F)."""
    first: Tensor | None = None
    """What has still to be read before the first token, (R, E)."""

    def select(self, index: Tensor) -> "DecoderState":
        """The state of the rows ``index``."""
        return replace(
            self,
            layers=self.layers.select(index),
            memory=None if self.memory is None else self.memory.select(index),
            summary=None if self.summary is None else self.summary.index_select(0, index),
            fed=None if self.fed is None else self.fed.index_select(0, index),
            first=None if self.first is None else self.first.index_select(0, index),
        )
