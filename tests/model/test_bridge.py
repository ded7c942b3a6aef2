"""Bridges: what of the encoder reaches the decoder, and where."""

import pytest
import torch
from torch import Tensor

from seq2seq.config import ModelConfig
from seq2seq.corpus.batching import collate
from seq2seq.model.bridge import CopyBridge, EveryStepBridge, FirstInputBridge, MeanBridge, ProjectBridge
from seq2seq.model.build import build_model
from seq2seq.model.state import Encoded, State


def encoded(widths: tuple[int, ...] = (3, 3), cells: bool = True) -> Encoded:
    mask = torch.tensor([[True, True, True], [True, False, False]])

    def layers() -> tuple[Tensor, ...]:
        return tuple(torch.randn(2, width) for width in widths)

    return Encoded(torch.randn(2, 3, widths[-1]), mask, State(layers(), layers() if cells else ()))


def test_copy_hands_over_every_layer() -> None:
    source = encoded()
    assert CopyBridge()(source).state is source.final


@pytest.mark.parametrize("cells", [True, False])
@pytest.mark.parametrize("source_cells", [True, False])
def test_project_fits_any_two_shapes_and_cells(cells: bool, source_cells: bool) -> None:
    state = ProjectBridge((3, 4), (5, 7), cells=cells)(encoded((3, 4), source_cells)).state
    assert [layer.shape for layer in state.hidden] == [(2, 5), (2, 7)]
    assert [layer.shape for layer in state.cell] == ([(2, 5), (2, 7)] if cells else [])
    assert all(layer.abs().max() < 1 for layer in state.hidden)


def test_project_reads_h_for_h_and_c_for_c() -> None:
    source, bridge = encoded((3, 4)), ProjectBridge((3, 4), (5,), cells=True)
    state = bridge(source).state
    hidden, cell = (torch.cat(tensors, dim=-1) for tensors in (source.final.hidden, source.final.cell))
    torch.testing.assert_close(state.hidden[0], torch.tanh(bridge.start.hidden[0](hidden)))
    torch.testing.assert_close(state.cell[0], bridge.start.cell[0](cell))


def test_mean_looks_at_real_positions_only() -> None:
    source, bridge = encoded(), MeanBridge(3, (5,), cells=True)
    (hidden,) = bridge(source).state.hidden
    torch.testing.assert_close(hidden[0], torch.tanh(bridge.start.hidden[0](source.memory[0].mean(0))))
    torch.testing.assert_close(hidden[1], torch.tanh(bridge.start.hidden[0](source.memory[1, 0])))


def test_every_step_and_first_input_give_one_vector() -> None:
    source = encoded()
    source_vector = EveryStepBridge(3, 4, (5, 6), cells=True)(source)
    assert source_vector.source_vector is not None
    assert source_vector.source_vector.shape == (2, 4)
    first = FirstInputBridge(3, 8, (5, 6), cells=True)(source)
    assert first.first_input is not None
    assert first.first_input.shape == (2, 8)
    assert not torch.cat([*first.state.hidden, *first.state.cell], dim=1).any()


@pytest.mark.parametrize("bridge", ["every-step", "copy"])
def test_only_every_step_reminds_the_decoder_of_the_source(bridge: str) -> None:
    """With the recurrent state wiped out in between, the next word still depends on the source or it does not."""
    config = ModelConfig(bridge=bridge, layers=1, hidden_size=8, embedding_size=8, dropout=0.0)
    model = build_model(config, 20, 20).eval()
    logits = []
    for source in ([5, 6, 7], [8, 9]):
        _, state = model.encode(collate([source], reverse=True))
        _, state = model.decoder.step(torch.tensor([2]), state)
        for tensors in (*state.layers.hidden, *state.layers.cell):
            tensors.zero_()
        logits.append(model.decoder.step(torch.tensor([4]), state)[0])
    assert torch.allclose(*logits) == (bridge == "copy")
