"""Attention: equal to its formulas, a distribution over real positions, cheap to reorder."""

import math

import pytest
import torch
from torch import Tensor

from seq2seq.model.attention import AdditiveAttention, Attention, DotAttention, GeneralAttention
from seq2seq.model.state import Encoded, State

B, T, S, Q, M = 3, 4, 5, 6, 8
LENGTHS = torch.tensor([5, 1, 3])


def made(kind: str) -> Attention:
    match kind:
        case "dot":
            attention: Attention = DotAttention()
        case "general":
            attention = GeneralAttention(Q, M)
        case _:
            attention = AdditiveAttention(Q, M)
    return attention.double()


def encoded() -> Encoded:
    mask = torch.arange(S) < LENGTHS.unsqueeze(1)
    return Encoded(torch.randn(B, S, M, dtype=torch.float64), mask, State(()))


def score(attention: Attention, query: Tensor, memory: Tensor) -> Tensor:
    match attention:
        case DotAttention():
            return query @ memory / math.sqrt(M)
        case GeneralAttention():
            return query @ (attention.key.weight @ memory)
        case AdditiveAttention():
            inner = attention.query.weight @ query + attention.key.weight @ memory + attention.key.bias
            return attention.score.weight[0] @ torch.tanh(inner)
    raise AssertionError


@pytest.mark.parametrize("kind", ["dot", "general", "additive"])
def test_attention_equals_its_formula(kind: str) -> None:
    attention, source = made(kind), encoded()
    queries = torch.randn(B, T, M if kind == "dot" else Q, dtype=torch.float64)
    context, weights = attention(queries, attention.precompute(source))
    for row, length in enumerate(LENGTHS.tolist()):
        memory = source.memory[row, :length]
        for time in range(T):
            exponents = torch.stack([score(attention, queries[row, time], one) for one in memory]).exp()
            expected = exponents / exponents.sum()
            torch.testing.assert_close(weights[row, time, :length], expected)
            assert not weights[row, time, length:].any()
            torch.testing.assert_close(context[row, time], expected @ memory)


def test_what_lies_under_padding_does_not_matter() -> None:
    attention, source = made("general"), encoded()
    queries = torch.randn(B, T, Q, dtype=torch.float64)
    expected, _ = attention(queries, attention.precompute(source))
    source.memory[~source.mask] = 1e6
    torch.testing.assert_close(attention(queries, attention.precompute(source))[0], expected)


@pytest.mark.parametrize("kind", ["dot", "general", "additive"])
@pytest.mark.parametrize("sources", [[0, 1, 2], [2, 0], [1]])
@pytest.mark.parametrize("slots", [1, 2])
def test_hypotheses_of_one_source_attend_together_as_each_alone(kind: str, sources: list[int], slots: int) -> None:
    attention, source = made(kind), encoded()
    queries = torch.randn(len(sources) * slots, T, M if kind == "dot" else Q, dtype=torch.float64)
    memory = attention.precompute(source).select(torch.tensor(sources))
    together, weights = attention(queries, memory)
    for number, query in enumerate(queries):
        row = [sources[number // slots]]
        alone = Encoded(source.memory[row], source.mask[row], State(()))
        context, look = attention(query.unsqueeze(0), attention.precompute(alone))
        torch.testing.assert_close(together[[number]], context)
        torch.testing.assert_close(weights[[number]], look)
