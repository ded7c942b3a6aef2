"""The records between encoder, decoder and search."""

import pytest
import torch
from torch import Tensor

from seq2seq.model.state import AttentionMemory, DecoderState, Encoded, State


def test_the_mean_ignores_padding() -> None:
    mask = torch.tensor([[True, True, True], [True, False, False], [True, True, False]])
    memory = torch.randn(3, 3, 4)
    means = [row[real].mean(0) for row, real in zip(memory, mask, strict=True)]
    memory[~mask] = 1e6
    torch.testing.assert_close(Encoded(memory, mask, State(())).mean(), torch.stack(means))


@pytest.mark.parametrize("index", [[0, 1, 2], [2, 0, 1], [0, 0, 1, 2, 2, 2], [2, 0, 2, 0, 2], [1]])
def test_queries_are_stacked_by_source_and_results_unstacked(index: list[int]) -> None:
    """Each row's query meets the keys of its own source, each source is kept once, and each row gets its own result."""
    numbers = torch.arange(3).view(3, 1, 1)
    memory = AttentionMemory(numbers, numbers, torch.ones(3, 1, dtype=torch.bool), torch.arange(3))
    sources, again = torch.tensor(index), torch.arange(len(index)).flip(0)
    for selected, expected in (
        (memory.select(sources), sources),
        (memory.select(sources).select(again), sources[again]),
    ):
        assert len(selected.keys) == len(expected.unique())
        assert torch.equal(selected.keys[selected.source, 0, 0], expected)
        queries = torch.arange(len(index) * 2).view(len(index), 2, 1)  # two steps
        stacked = selected.stack_queries(queries)
        assert torch.equal(selected.unstack(stacked, steps=2), queries)
        of_source = selected.unstack(selected.keys.expand(-1, stacked.shape[1], 1), steps=2)
        assert torch.equal(of_source[..., 0], expected.unsqueeze(1).expand(-1, 2))


def test_every_tensor_of_a_decoder_state_is_selected() -> None:
    def rows(first: int) -> Tensor:
        return torch.arange(first, first + 3).unsqueeze(1)

    state = DecoderState(
        State((rows(0),), (rows(10),)), source_vector=rows(20), prev_features=rows(30), first_input=rows(40)
    ).select(torch.tensor([2, 0]))
    tensors = *state.layers.hidden, *state.layers.cell, state.source_vector, state.prev_features, state.first_input
    assert [tensor.flatten().tolist() for tensor in tensors] == [[2, 0], [12, 10], [22, 20], [32, 30], [42, 40]]
