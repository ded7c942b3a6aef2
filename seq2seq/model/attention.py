"""Attention: a weighted mean of the memory, with weights that depend on where the decoder is.

Keys are projected once for each sentence (:meth:`Attention.precompute`); queries come for any number of
decoder steps at once.

Shapes: ``B`` batch, ``T`` target length, ``S`` source length, ``Q`` width of queries, ``M`` of the memory,
``A`` of the space in which additive attention compares.
"""

import math
from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from seq2seq.model.state import AttentionMemory, Encoded


class Attention(nn.Module):
    """What dot, general and additive attention share."""

    @abstractmethod
    def keys(self, memory: Tensor) -> Tensor:
        """What queries are compared with, from the memory (B, S, M)."""

    @abstractmethod
    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """How well each position fits each query, (B, T, S)."""

    def precompute(self, encoded: Encoded) -> AttentionMemory:
        """The memory of a batch, keys included."""
        rows = torch.arange(encoded.memory.shape[0], device=encoded.memory.device)
        return AttentionMemory(self.keys(encoded.memory), encoded.memory, encoded.mask, rows)

    def forward(self, queries: Tensor, memory: AttentionMemory) -> tuple[Tensor, Tensor]:
        """Looks back at the source.

        Args:
            queries: (B, T, Q).
            memory: what these rows look at.

        Returns:
            Contexts (B, T, M) and weights (B, T, S), which sum to 1 over the real positions.
        """
        scores = self.scores(memory.gather(queries), memory.keys)
        weights = torch.softmax(scores.masked_fill(~memory.mask.unsqueeze(1), -torch.inf), dim=-1)
        steps = queries.shape[1]
        return memory.scatter(weights @ memory.values, steps), memory.scatter(weights, steps)


class DotAttention(Attention):
    """``score(q, k) = q · k / √M``: Luong et al. 2015, eq. 8, scaled as in Vaswani et al. 2017, eq. 1; Q = M."""

    def keys(self, memory: Tensor) -> Tensor:
        """The memory itself."""
        return memory

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Scaled products."""
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
        """Products."""
        return queries @ keys.mT


class AdditiveAttention(Attention):
    """``score(q, m) = v · tanh(W q + U m + b)`` (Bahdanau, Cho & Bengio 2015, §A.1.2); A = Q.

    It makes a tensor (B, T, S, A), where the products of the others need (B, T, S).
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
        """The formula above, for all pairs at once."""
        mixed = torch.tanh(self.query(queries).unsqueeze(2) + keys.unsqueeze(1))
        return functional.linear(mixed, self.score.weight).squeeze(-1)
