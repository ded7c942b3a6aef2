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


@pytest.mark.parametrize("sources", [[0, 1, 2], [2, 0], [1, 1, 0]])
@pytest.mark.parametrize("slots", [1, 3])
def test_queries_are_stacked_by_source_and_results_unstacked(sources: list[int], slots: int) -> None:
    """Each row's query meets the keys of its own source, and each row gets its own result."""
    numbers = torch.arange(3).view(3, 1, 1)
    memory = AttentionMemory(numbers, numbers, torch.ones(3, 1, dtype=torch.bool)).select(torch.tensor(sources))
    assert memory.keys is memory.values
    rows = torch.tensor(sources).repeat_interleave(slots)
    queries = torch.arange(len(rows) * 2).view(len(rows), 2, 1)  # two steps
    stacked = memory.stack_queries(queries)
    assert stacked.shape[:2] == (len(sources), slots * 2)
    assert torch.equal(memory.unstack(stacked, steps=2), queries)
    of_source = memory.unstack(memory.keys.expand(-1, stacked.shape[1], 1), steps=2)
    assert torch.equal(of_source[..., 0], rows.unsqueeze(1).expand(-1, 2))


def test_every_tensor_of_a_decoder_state_is_selected() -> None:
    def rows(first: int) -> Tensor:
        return torch.arange(first, first + 3).unsqueeze(1)

    state = DecoderState(
        State((rows(0),), (rows(10),)), source_vector=rows(20), prev_features=rows(30), first_input=rows(40)
    ).select(torch.tensor([2, 0]))
    tensors = *state.layers.hidden, *state.layers.cell, state.source_vector, state.prev_features, state.first_input
    assert [tensor.flatten().tolist() for tensor in tensors] == [[2, 0], [12, 10], [22, 20], [32, 30], [42, 40]]


def test_rows_move_without_the_memory_until_sources_leave() -> None:
    memory = AttentionMemory(torch.randn(3, 4, 2), torch.randn(3, 4, 5), torch.rand(3, 4) < 0.5)
    state = DecoderState(State((torch.arange(3).view(3, 1),)), memory)
    beam = state.select(torch.tensor([0, 0, 1, 1, 2, 2]))
    assert beam.memory is memory
    rest = beam.select(torch.tensor([5, 4, 1, 1]), torch.tensor([2, 0]))
    assert rest.layers.hidden[0].flatten().tolist() == [2, 2, 0, 0]
    assert rest.memory is not None
    for after, before in ((rest.memory.keys, memory.keys), (rest.memory.values, memory.values)):
        assert torch.equal(after, before[[2, 0]])
    assert torch.equal(rest.memory.mask, memory.mask[[2, 0]])


def test_a_longer_memory_is_padded_up_to_a_multiple() -> None:
    memory = AttentionMemory(torch.randn(3, 5, 2), torch.randn(3, 5, 4), torch.rand(3, 5) < 0.5)
    longer = DecoderState(State(()), memory).lengthened(4).memory
    assert longer is not None
    assert (longer.keys.shape, longer.values.shape, longer.mask.shape) == ((3, 8, 2), (3, 8, 4), (3, 8))
    assert torch.equal(longer.keys[:, :5], memory.keys)
    assert torch.equal(longer.mask[:, :5], memory.mask)
    assert not longer.mask[:, 5:].any()
    assert DecoderState(State(()), longer).lengthened(4).memory.mask.shape == (3, 8)
    assert DecoderState(State(())).lengthened(4).memory is None
