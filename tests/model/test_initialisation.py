"""Initialisation: the distribution of every weight, by what it is for."""

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from seq2seq.config import ModelConfig
from seq2seq.model.build import build_cell
from seq2seq.model.cells import FusedCell
from seq2seq.model.embedding import Embedding
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.step_cells import StepCell

E, H = 48, 64
GATES = {"lstm": 4, "gru": 3, "rnn": 1, "peephole": 4, "layernorm": 4}


def parameters(kind: str, cell: FusedCell | StepCell) -> tuple[Tensor, Tensor, Tensor]:
    """Input weights, recurrent weights and the sum of the biases, gates concatenated."""
    if isinstance(cell, StepCell):
        return cell.weight_input.detach(), cell.weight_recurrent.detach(), cell.bias.detach()
    weight_ih, weight_hh, bias_ih, bias_hh = (parameter.detach() for parameter in cell.kernel.parameters())
    return weight_ih, weight_hh, bias_ih + bias_hh


def assert_uniform(values: Tensor, bound: float) -> None:
    """Drawn from U(-bound, bound): nothing outside, and mean and deviation within five standard errors."""
    count = values.numel()
    deviation = bound / math.sqrt(3)
    assert 0.9 * bound * (1 - 5 / count) < values.abs().max() <= bound
    assert abs(float(values.mean())) < 5 * deviation / math.sqrt(count)
    assert abs(float(values.std()) / deviation - 1) < 5 * math.sqrt(0.2 / count)


def xavier_bound(weight: Tensor) -> float:
    """Glorot & Bengio 2010, eq. 16; of a convolution each input of the filter counts."""
    window = weight[0, 0].numel()
    return math.sqrt(6 / ((weight.shape[0] + weight.shape[1]) * window))


@pytest.mark.parametrize("kind", GATES)
def test_input_weights_of_every_gate_are_xavier(kind: str) -> None:
    cell = build_cell(kind, E, H, ModelConfig())
    cell.initialise(1.0)
    for gate in parameters(kind, cell)[0].chunk(GATES[kind]):
        assert gate.shape == (H, E)
        assert_uniform(gate, math.sqrt(6 / (E + H)))


@pytest.mark.parametrize("kind", GATES)
def test_recurrences_of_every_gate_are_orthogonal(kind: str) -> None:
    cell = build_cell(kind, E, H, ModelConfig()).double()
    cell.initialise(1.0)
    gates = parameters(kind, cell)[1].chunk(GATES[kind])
    for gate in gates:
        torch.testing.assert_close(gate @ gate.T, torch.eye(H, dtype=torch.float64), atol=1e-6, rtol=0)
    assert len({float(gate[0, 0]) for gate in gates}) == GATES[kind]


@pytest.mark.parametrize("kind", GATES)
def test_the_forget_bias_opens_the_gate_that_keeps_the_state(kind: str) -> None:
    """Without input and state a gate is the sigmoid of its bias: all are half open but the one that keeps the state."""
    cell = build_cell(kind, E, H, ModelConfig())
    cell.initialise(3.0)
    keeps = {"gru": "update gate", "rnn": None}.get(kind, "forget gate")
    trace = cell.trace(torch.zeros(1, 1, E))
    for name, values in trace.items():
        if name.endswith("gate"):
            expected = torch.sigmoid(torch.tensor(3.0 if name == keeps else 0.0))
            torch.testing.assert_close(values, expected.expand_as(values))
        else:
            assert not values.any()
    assert keeps is None or keeps in trace
    assert len(parameters(kind, cell)[2].unique()) == (1 if kind == "rnn" else 2)


def modules(model: nn.Module, kind: type) -> Iterator[nn.Module]:
    return (module for module in model.modules() if isinstance(module, kind))


@pytest.mark.parametrize("encoder", ["convolutional", "image"])
def test_linear_layers_and_filters_are_xavier_without_bias(encoder: str, tiny_model: Callable[..., Seq2Seq]) -> None:
    settings = {"encoder": encoder, "bridge": "project", "attention": "additive", "tie_embeddings": "none"}
    model = tiny_model(hidden_size=H, embedding_size=E, vocab=100, **settings)
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear | nn.Conv1d)}
    layers = {name: layer for name, layer in layers.items() if ".backbone." not in name}
    assert {"decoder.output", "decoder.readout.map", "decoder.attention.key"} <= layers.keys()
    for layer in layers.values():
        assert_uniform(layer.weight.detach(), xavier_bound(layer.weight))
        assert layer.bias is None or not layer.bias.any()


@pytest.mark.parametrize("tie", ["none", "target", "all"])
def test_embeddings_are_normal_and_read_with_variance_1(tie: str, tiny_model: Callable[..., Seq2Seq]) -> None:
    model = tiny_model(embedding_size=E, hidden_size=E, vocab=2000, tie_embeddings=tie)
    for embedding in modules(model, Embedding):
        weight = embedding.weight.detach()
        assert abs(float(weight.std()) * math.sqrt(E) - 1) < 0.02
        assert abs(float(weight.mean())) < 0.02 / math.sqrt(E)
        kurtosis = ((weight / weight.std()) ** 4).mean()
        assert abs(float(kurtosis) - 3) < 0.2  # 1.8 of a uniform distribution
        assert abs(float(embedding(torch.arange(2000)).detach().std()) - 1) < 0.02


@pytest.mark.parametrize("kind", GATES)
def test_uniform_initialisation_draws_everything_but_gains(kind: str, tiny_model: Callable[..., Seq2Seq]) -> None:
    model = tiny_model(initialisation="uniform", cell=kind, hidden_size=32, attention="general")
    gains = {name: gain for name, gain in model.named_parameters() if ".gain_" in name}
    assert bool(gains) == (kind == "layernorm")
    assert all(gain.eq(1).all() for gain in gains.values())
    for name, parameter in model.named_parameters():
        if name not in gains:
            assert_uniform(parameter.detach(), 0.08)
    embedding = model.encoder.embedding
    torch.testing.assert_close(embedding(torch.arange(20)), embedding.weight)  # no factor of √E
