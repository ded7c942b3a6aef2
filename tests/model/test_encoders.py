"""Encoders: what shortens a sequence, and what reads it both ways."""

import pytest
import torch

from seq2seq.config import ModelConfig
from seq2seq.corpus.batching import collate
from seq2seq.model.build import build_model
from seq2seq.model.recurrent import BidirectionalLayer


def model(**settings: object):
    defaults = {"layers": 3, "hidden_size": 12, "embedding_size": 8, "dropout": 0.0}
    return build_model(ModelConfig(**(defaults | settings)), 20, 20).double().eval()


@pytest.mark.parametrize(("tokens", "positions"), [(1, 1), (3, 1), (4, 2), (8, 3)])
def test_a_convolutional_encoder_shortens_the_sequence(tokens: int, positions: int) -> None:
    """Tokens and an end mark, four to a position."""
    encoder = model(encoder="convolutional", pool=4).encoder
    encoded = encoder(collate([[5] * tokens], reverse=False))
    assert encoded.memory.shape == (1, positions, 12)
    assert encoded.mask.all()


def test_a_filter_sees_its_width_and_no_more() -> None:
    """A token changes the positions whose filters reach it: three tokens wide, two to a position."""
    encoder = model(encoder="convolutional", pool=2, filter_width=3).encoder
    mask = torch.ones(1, 8, dtype=torch.bool)
    embedded = torch.randn(1, 8, 8, dtype=torch.float64)
    other = embedded.clone()
    other[0, 3] += 10.0
    changed = (encoder._shorten(embedded, mask) != encoder._shorten(other, mask)).any(-1)[0]
    assert changed.tolist() == [False, True, True, False]


@pytest.mark.parametrize(("which", "expected"), [("first", [True, False, False]), ("all", [True, True, True])])
def test_which_layers_are_bidirectional(which: str, expected: list[bool]) -> None:
    layers = model(encoder="bidirectional", bidirectional_layers=which).encoder.stack.layers
    assert [isinstance(layer, BidirectionalLayer) for layer in layers] == expected


def test_a_bidirectional_memory_knows_both_sides_of_a_word() -> None:
    """The memory at the first position depends on the last token; a forward encoder's cannot."""
    for encoder, sees in (("bidirectional", True), ("stacked", False)):
        made = model(encoder=encoder).encoder
        first = [made(collate([[5, 6, last]], reverse=False)).memory[0, 0] for last in (7, 8)]
        assert torch.allclose(*first) != sees
