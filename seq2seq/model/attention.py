"""Attention: a weighted mean of the memory, with weights that depend on the decoder's state.

Keys are projected once for each source (:meth:`Attention.precompute`); queries come for any number of decoder steps
at once.

Shapes: ``B`` batch, ``T`` target length, ``S`` source length, ``Q`` width of queries, ``M`` width of the memory,
``A`` width of keys.
"""

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from seq2seq.model.state import AttentionMemory, Encoded


class Attention(nn.Module):
    """What dot, general and additive attention share: softmax over real positions, then the weighted mean."""

    @abstractmethod
    def keys(self, memory: Tensor) -> Tensor:
        """Memory (B, S, M) to keys (B, S, A)."""

    @abstractmethod
    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Score of each position for each query, (B, T, S), before the softmax."""

    def precompute(self, encoded: Encoded) -> AttentionMemory:
        """Projects the keys of a batch and keeps them with the memory."""
        return AttentionMemory(self.keys(encoded.memory), encoded.memory, encoded.mask)

    def forward(self, queries: Tensor, memory: AttentionMemory) -> tuple[Tensor, Tensor]:
        """Attends to the source.

        Args:
            queries: (B, T, Q).
            memory: what these rows attend to.

        Returns:
            Contexts (B, T, M) and weights (B, T, S), which sum to 1 over the real positions.
        """
        scores = self.scores(memory.stack_queries(queries), memory.keys)
        weights = torch.softmax(scores.masked_fill(~memory.mask.unsqueeze(1), -torch.inf), dim=-1)
        steps = queries.shape[1]
        return memory.unstack(weights @ memory.values, steps), memory.unstack(weights, steps)


class DotAttention(Attention):
    """``score(q, k) = q · k / √M``: Luong et al. 2015, eq. 8, scaled as in Vaswani et al. 2017, eq. 1; Q = M."""

    def keys(self, memory: Tensor) -> Tensor:
        """The memory as it is."""
        return memory

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Scaled dot products."""
        return queries @ keys.mT / math.sqrt(keys.shape[-1])


class GeneralAttention(Attention):
    """``score(q, m) = q · W m`` (Luong et al. 2015, eq. 8)."""

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.key = nn.Linear(memory_size, query_size, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """W m."""
        projected: Tensor = self.key(memory)
        return projected

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Dot products."""
        return queries @ keys.mT


class AdditiveAttention(Attention):
    """``score(q, m) = v · tanh(W q + U m + b)`` (Bahdanau, Cho & Bengio 2015, §A.1.2); A = Q.

    It allocates (B, T, S, A), where dot products need (B, T, S).
    """

    def __init__(self, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, query_size, bias=False)
        self.key = nn.Linear(memory_size, query_size)
        self.score = nn.Linear(query_size, 1, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """U m + b."""
        projected: Tensor = self.key(memory)
        return projected

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """The formula above, for all pairs of query and position at once."""
        mixed = torch.tanh(self.query(queries).unsqueeze(2) + keys.unsqueeze(1))
        return functional.linear(mixed, self.score.weight).squeeze(-1)
