"""The paper's particulars: what is handed over, how weights begin."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

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
    for part in ("hidden", "cell"):
        for layer in range(3):
            changed = list(getattr(start.layers, part))
            changed[layer] = changed[layer] + 1
            other = replace(start, layers=replace(start.layers, **{part: tuple(changed)}))
            assert not torch.allclose(model.decoder.step(torch.tensor([2]), other)[0], expected)


def test_uniform_initialisation_is_the_papers(tiny_model: Callable[..., Seq2Seq]) -> None:
    model = tiny_model(initialisation="uniform", hidden_size=64)
    values = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    assert values.abs().max() <= 0.08
    assert abs(float(values.std()) - 0.16 / 12**0.5) < 1e-3


def test_scaled_initialisation(tiny_model: Callable[..., Seq2Seq]) -> None:
    model = tiny_model(initialisation="scaled", hidden_size=32, embedding_size=64, vocab=2000, forget_bias=2.0)
    assert abs(float(model.encoder.embedding(torch.arange(2000)).detach().std()) - 1) < 0.05
    for lstm in (module for module in model.modules() if isinstance(module, nn.LSTM)):
        bias = (lstm.bias_ih_l0 + lstm.bias_hh_l0).view(4, -1)
        assert bias[1].eq(2).all()
        assert bias[[0, 2, 3]].eq(0).all()
        for gate in lstm.weight_hh_l0.chunk(4):
            torch.testing.assert_close(gate @ gate.T, torch.eye(32, dtype=torch.float64), atol=1e-5, rtol=0)


def test_tied_tables_are_one_tensor(tiny_model: Callable[..., Seq2Seq]) -> None:
    model = tiny_model(tie_embeddings="all")
    assert model.decoder.output.weight is model.encoder.embedding.weight is model.decoder.embedding.weight
    model = tiny_model(tie_embeddings="target")
    assert model.decoder.output.weight is model.decoder.embedding.weight is not model.encoder.embedding.weight


def test_uniform_initialisation_leaves_gains_alone(tiny_model: Callable[..., Seq2Seq]) -> None:
    model = tiny_model(initialisation="uniform", cell="layernorm")
    gains = [parameter for name, parameter in model.named_parameters() if ".gain_" in name]
    assert gains
    assert all(gain.eq(1).all() for gain in gains)


def test_xavier_spreads_with_the_widths_it_joins(tiny_model: Callable[..., Seq2Seq]) -> None:
    gate = tiny_model(hidden_size=64, embedding_size=32).encoder.stack.layers[0].kernel.weight_ih_l0[:64].detach()
    bound = (6 / (32 + 64)) ** 0.5
    assert 0.9 * bound < gate.abs().max() <= bound
    assert abs(float(gate.std()) - bound / 3**0.5) < 0.02


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
