"""Whole models: what the decoder gets from the encoder, which tables are tied, where residual connections are."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from seq2seq.corpus.batching import collate
from seq2seq.model.seq2seq import Seq2Seq


def test_every_decoder_layer_starts_at_the_state_of_its_encoder_layer(tiny_model: Callable[..., Seq2Seq]) -> None:
    model = tiny_model(layers=3)
    batch = collate([[5, 6, 7], [8, 9, 10]], reverse=True)
    _, start = model.encode(batch)
    below = model.encoder.embedding(batch.src)
    for layer, encoder_layer in enumerate(model.encoder.stack.layers):
        below, (hidden, cell) = encoder_layer(below)
        torch.testing.assert_close(start.layers.hidden[layer], hidden)
        torch.testing.assert_close(start.layers.cell[layer], cell)


def test_the_decoder_reads_the_state_of_every_layer(tiny_model: Callable[..., Seq2Seq]) -> None:
    model = tiny_model(layers=3)
    _, start = model.encode(collate([[5, 6, 7]], reverse=True))
    expected, _ = model.decoder.step(torch.tensor([2]), start)
    for field in ("hidden", "cell"):
        for layer in range(3):
            changed = list(getattr(start.layers, field))
            changed[layer] = changed[layer] + 1
            other = replace(start, layers=replace(start.layers, **{field: tuple(changed)}))
            assert not torch.allclose(model.decoder.step(torch.tensor([2]), other)[0], expected)


def test_tied_tables_are_one_tensor(tiny_model: Callable[..., Seq2Seq]) -> None:
    model = tiny_model(tie_embeddings="all")
    assert model.decoder.output.weight is model.encoder.embedding.weight is model.decoder.embedding.weight
    model = tiny_model(tie_embeddings="target")
    assert model.decoder.output.weight is model.decoder.embedding.weight is not model.encoder.embedding.weight


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"residual_from": 0}, [False] * 3),
        ({"residual_from": 1}, [False, True, True]),
        ({"residual_from": 1, "embedding_size": 12}, [True] * 3),
        ({"residual_from": 3}, [False, False, True]),
        ({"residual_from": 1, "hidden_size": (12, 8, 8)}, [False, False, True]),
    ],
)
def test_residual_connections_go_where_they_fit(
    settings: dict, expected: list[bool], tiny_model: Callable[..., Seq2Seq]
) -> None:
    model = tiny_model(**({"layers": 3} | settings))
    assert list(model.encoder.stack.residual) == expected
    assert [*model.decoder.bottom.residual, *model.decoder.upper.residual] == expected
