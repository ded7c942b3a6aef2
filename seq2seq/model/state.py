"""The records that pass between encoder, bridge, decoder and search.

Shapes: ``B`` batch, ``R`` rows being decoded, ``S`` source length, ``H`` width of a layer, ``M`` width of the
memory, ``C`` of the source_vector, ``F`` of the features.
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
            tuple(layer.index_select(0, index.to(layer.device)) for layer in self.hidden),
            tuple(layer.index_select(0, index.to(layer.device)) for layer in self.cell),
        )

    def to(self, device: torch.device) -> "State":
        """All layers' on one device."""
        return State(tuple(part.to(device) for part in self.hidden), tuple(part.to(device) for part in self.cell))


@dataclass(frozen=True, slots=True)
class Encoded:
    """What an encoder knows of a batch of sources."""

    memory: Tensor
    """Top layer's output at every source position, (B, S, M)."""
    mask: Tensor
    """True at real positions, (B, S)."""
    final: State
    """State of every layer after the last real token: the paper's fixed vector *v*."""

    def to(self, device: torch.device) -> "Encoded":
        """All of it on one device."""
        return Encoded(self.memory.to(device), self.mask.to(device), self.final.to(device))

    def mean(self) -> Tensor:
        """Mean of the memory over real positions, (B, M)."""
        real = self.mask.unsqueeze(-1)
        return (self.memory * real).sum(1) / real.sum(1)


@dataclass(frozen=True, slots=True)
class AttentionMemory:
    """What attention looks at; the same at every step of a sentence, and for all hypotheses of it.

    It is kept once for each of ``N`` sentences. Rows that look at one sentence ask together, as if they were several
    steps of one row: they have the ``K`` slots of that sentence.
    """

    keys: Tensor
    """Projected once for each sentence, (N, S, any width)."""
    values: Tensor
    """(N, S, M)."""
    mask: Tensor
    """True at real positions, (N, S)."""
    sentence: Tensor
    """Which of these sentences each row looks at, (R,)."""
    slot: Tensor | None = None
    """Number of each row's slot, counted through all sentences, (R,); None: row n is all that looks at sentence n."""
    row: Tensor | None = None
    """The row in each slot, (N · K,); an empty one repeats some row."""

    def select(self, index: Tensor) -> "AttentionMemory":
        """The rows ``index`` (R',). Reordering hypotheses of one sentence moves nothing."""
        sentence = self.sentence.index_select(0, index)
        if torch.equal(sentence, self.sentence):
            return self
        used, sentence, rows = sentence.unique(return_inverse=True, return_counts=True)
        parts = self.keys, self.values, self.mask
        if len(used) < len(self.mask):
            parts = self.keys[used], self.values[used], self.mask[used]
        # The rows of a sentence take its slots in their order, wherever among the others they stand.
        slots, first = max(rows.tolist(), default=0), rows.cumsum(0) - rows
        numbers = torch.arange(len(sentence), device=sentence.device)
        order = sentence.argsort(stable=True)
        grouped = sentence[order]
        slot = torch.empty_like(sentence)
        slot[order] = grouped * slots + numbers - first[grouped]
        row = sentence.new_zeros(len(used) * slots)
        row[slot] = numbers
        return AttentionMemory(*parts, sentence, slot, row)

    def gather(self, queries: Tensor) -> Tensor:
        """Queries of rows (R, T, Q) as those of sentences, (N, K · T, Q)."""
        if self.row is None:
            return queries
        return queries.index_select(0, self.row).reshape(len(self.mask), -1, queries.shape[-1])

    def scatter(self, answers: Tensor, steps: int) -> Tensor:
        """Answers for sentences (N, K · T, any width) as those for rows, (R, T, any width): undoes :meth:`gather`."""
        if self.slot is None:
            return answers
        return answers.reshape(-1, steps, answers.shape[-1]).index_select(0, self.slot)


@dataclass(frozen=True, slots=True)
class DecoderState:
    """Everything a decoder needs to go on by one token."""

    layers: State
    memory: AttentionMemory | None = None
    """For attention."""
    source_vector: Tensor | None = None
    """The source in one vector that enters every step, (R, C)."""
    prev_features: Tensor | None = None
    """Features of the step before, which input feeding reads, (R, F)."""
    first_input: Tensor | None = None
    """What has still to be read before the first token, (R, E)."""

    def select(self, index: Tensor) -> "DecoderState":
        """The state of the rows ``index``."""
        return replace(
            self,
            layers=self.layers.select(index),
            memory=None if self.memory is None else self.memory.select(index),
            source_vector=None if self.source_vector is None else self.source_vector.index_select(0, index),
            prev_features=None
            if self.prev_features is None
            else self.prev_features.index_select(0, index.to(self.prev_features.device)),
            first_input=None if self.first_input is None else self.first_input.index_select(0, index),
        )
