"""The best extensions are those that sorting all of them would find."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import seq2seq.search.best as best
from seq2seq.search.best import best_extensions, best_tokens


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 300)),
    count=st.integers(1, 30),
    seed=st.integers(0, 1000),
    few=st.booleans(),
    forcing=st.booleans(),
)
@settings(deadline=None)
def test_the_best_are_the_first_of_all(
    shape: tuple[int, int, int], count: int, seed: int, few: bool, forcing: bool
) -> None:
    lines, hypotheses, vocab = shape
    chance = torch.Generator().manual_seed(seed)
    # Rows in any order, and some of no hypothesis.
    order = torch.randperm(lines * hypotheses + 2, generator=chance)
    row, values = order[: lines * hypotheses].view(shape[:2]), torch.randn(len(order), vocab, generator=chance)
    base = torch.randn(shape[:2], generator=chance)
    values[torch.rand(values.shape, generator=chance) < 0.3] = -math.inf
    base[torch.rand(shape[:2], generator=chance) < 0.2] = -math.inf
    sums, forced, bound = values[row] + base.unsqueeze(2), None, None
    if forcing:
        bind = torch.rand(shape[:2], generator=chance) < 0.4
        forced = torch.randint(vocab, shape[:2], generator=chance)
        bound = torch.randn(shape[:2], generator=chance).masked_fill(~bind, -math.inf)
        base[bind] = -math.inf
        sums[bind] = -math.inf
        for line, hypothesis in bind.nonzero().tolist():
            sums[line, hypothesis, forced[line, hypothesis]] = bound[line, hypothesis]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(best, "_FEW", 1 << 16 if few else 0)
        found, parent, token = best_extensions(values, row, base, count, forced, bound)
    expected = sums.flatten(1).sort(dim=1, descending=True).values[:, :count]
    assert torch.equal(found, expected)
    for line in range(lines):
        taken = []
        for value, hypothesis, word in zip(
            found[line].tolist(), parent[line].tolist(), token[line].tolist(), strict=True
        ):
            assert 0 <= hypothesis < hypotheses
            assert 0 <= word < vocab
            if value > -math.inf:
                assert float(sums[line, hypothesis, word]) == value
                taken.append((hypothesis, word))
        assert len(set(taken)) == len(taken)


@pytest.mark.parametrize("size", [64, 65, 128, 200, 256])
@pytest.mark.parametrize("count", [1, 2])
def test_the_best_tokens_are_found_wherever_they_are(size: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(best, "_FEW", 0)
    rows = torch.zeros(size, size)
    rows += 2 * torch.eye(size) + torch.eye(size).roll(1, 1)  # the highest at n, the second at n + 1
    found, token = best_tokens(rows, count)
    place = torch.arange(size)
    assert torch.equal(token, torch.stack([place, (place + 1) % size], dim=1)[:, :count])
    assert torch.equal(found, torch.tensor([[2.0, 1.0]])[:, :count].expand(size, -1))
