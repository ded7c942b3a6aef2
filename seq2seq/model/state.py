"""The records that pass between encoder, bridge, decoder and search: the glossary of the model.

Shapes: ``B`` batch, ``S`` source length, ``H`` width of a layer, ``M`` width of the memory, ``A`` width of the keys,
``C`` width of the source vector, ``E`` embedding, ``F`` features. While decoding: ``N`` sources, ``K`` rows
(hypotheses) of each, ``R = N·K``.
"""

from dataclasses import dataclass, replace

from torch import Tensor
from torch.nn import functional

LayerState = tuple[Tensor, ...]
"""Recurrent state of one layer between two time steps: (h,) or (h, c), each (B, H)."""


@dataclass(frozen=True, slots=True)
class State:
    """Recurrent state of a stack of layers between two time steps.

    One tensor for each layer, bottom first, so that layers may differ in width and no decoding step has to
    unstack anything.
    """

    hidden: tuple[Tensor, ...]
    """h of each layer, (B, H)."""
    cell: tuple[Tensor, ...] = ()
    """c of each layer, (B, H); empty for cells without it (GRU, simple RNN)."""

    @classmethod
    def of(cls, layers: list[LayerState]) -> "State":
        """The state of a stack from the states of its layers."""
        return cls(tuple(layer[0] for layer in layers), tuple(layer[1] for layer in layers if len(layer) > 1))

    def layer(self, index: int) -> LayerState:
        """The state of one layer."""
        return (self.hidden[index], self.cell[index]) if self.cell else (self.hidden[index],)

    def split(self, layers: int) -> tuple["State", "State"]:
        """The states of the lowest ``layers`` layers and of the others."""
        return State(self.hidden[:layers], self.cell[:layers]), State(self.hidden[layers:], self.cell[layers:])

    def above(self, lower: "State") -> "State":
        """The state of these layers on top of lower ones: the inverse of :meth:`split`."""
        return State(lower.hidden + self.hidden, lower.cell + self.cell)

    def select(self, index: Tensor) -> "State":
        """The state of the rows ``index`` (R,): how beam search reorders, repeats and drops hypotheses."""
        return State(
            tuple(layer.index_select(0, index.to(layer.device)) for layer in self.hidden),
            tuple(layer.index_select(0, index.to(layer.device)) for layer in self.cell),
        )

    def to(self, other: Tensor) -> "State":
        """The state on the device and in the type of another tensor."""
        return State(tuple(layer.to(other) for layer in self.hidden), tuple(layer.to(other) for layer in self.cell))


@dataclass(frozen=True, slots=True)
class Encoded:
    """What an encoder returns for a batch of sources."""

    memory: Tensor
    """Output of the top layer at every source position, (B, S, M)."""
    mask: Tensor
    """True at real positions, False at padding, (B, S)."""
    final: State
    """State of every layer after the last real token: the fixed vector *v* of Sutskever et al. 2014."""

    def to(self, other: Tensor) -> "Encoded":
        """The record on the device and in the type of another tensor."""
        return Encoded(self.memory.to(other), self.mask.to(other.device), self.final.to(other))

    def mean(self) -> Tensor:
        """Mean of the memory over real positions, (B, M)."""
        real = self.mask.unsqueeze(-1)
        return (self.memory * real).sum(1) / real.sum(1)


@dataclass(frozen=True, slots=True)
class AttentionMemory:
    """What attention reads; the same at every step.

    Hypotheses of one source share its keys: rows are grouped by source, K for each, and their queries are stacked to
    (N, K·T, Q).
    """

    keys: Tensor
    """What queries are compared with, projected once for each source, (N, S, A)."""
    values: Tensor
    """What the context is the weighted mean of, (N, S, M)."""
    mask: Tensor
    """True at real positions, (N, S)."""

    def select(self, sources: Tensor) -> "AttentionMemory":
        """The memory of the sources ``sources`` (N',)."""
        values = self.values.index_select(0, sources)
        keys = values if self.keys is self.values else self.keys.index_select(0, sources)
        return AttentionMemory(keys, values, self.mask.index_select(0, sources))

    def lengthened(self, multiple: int) -> "AttentionMemory":
        """The memory with padding up to a multiple of so many positions."""
        missing = -self.mask.shape[1] % multiple
        keys, values = (functional.pad(one, (0, 0, 0, missing)) for one in (self.keys, self.values))
        return AttentionMemory(keys, values, functional.pad(self.mask, (0, missing)))

    def stack_queries(self, queries: Tensor) -> Tensor:
        """Queries of each row (R, T, Q) to queries of each source (N, K·T, Q)."""
        return queries.reshape(self.mask.shape[0], -1, queries.shape[-1])

    def unstack(self, results: Tensor, steps: int) -> Tensor:
        """Results for each source (N, K·T, …) to results for each row (R, T, …): undoes :meth:`stack_queries`."""
        return results.reshape(-1, steps, results.shape[-1])


@dataclass(frozen=True, slots=True)
class DecoderState:
    """Everything a decoder needs to advance by one token."""

    layers: State
    """Recurrent state of all decoder layers, bottom first, (R, H) each."""
    memory: AttentionMemory | None = None
    """What attention reads; None without attention."""
    source_vector: Tensor | None = None
    """The source as one vector that enters every step (bridge ``every-step``), (R, C)."""
    prev_features: Tensor | None = None
    """Features of the previous step, which input feeding reads, (R, F)."""
    first_input: Tensor | None = None
    """The source as an embedding to be read before the first token (bridge ``first-input``), (R, E); None once read."""

    @property
    def is_loose(self) -> bool:
        """Whether sources may have different numbers of rows: without attention."""
        return self.memory is None

    def select(self, rows: Tensor, sources: Tensor | None = None) -> "DecoderState":
        """The state of the rows ``rows`` (R',), grouped by source and equally many for each unless it is loose.

        Args:
            rows: how beam search reorders, repeats and drops hypotheses.
            sources: those that these rows belong to, in that order; None: all, and the memory is not copied.
        """

        def of(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor.index_select(0, rows.to(tensor.device))

        memory = self.memory
        return replace(
            self,
            layers=self.layers.select(rows),
            memory=memory if memory is None or sources is None else memory.select(sources.to(memory.mask.device)),
            source_vector=of(self.source_vector),
            prev_features=of(self.prev_features),
            first_input=of(self.first_input),
        )

    def lengthened(self, multiple: int) -> "DecoderState":
        """The state with a memory of a multiple of so many positions."""
        return self if self.memory is None else replace(self, memory=self.memory.lengthened(multiple))
