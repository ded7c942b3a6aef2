"""The optimisers of recipes against the papers' formulas, and their state by parameter name."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from seq2seq.config import TrainingConfig
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.training.loss_scale import LossScale
from seq2seq.training.optimizer import (
    build_optimizer,
    optimizer_step,
    optimizer_tensors,
    restore_optimizer,
)

GOOD, BAD = torch.tensor(0.0), torch.tensor(1.0)
UNSCALED = LossScale(torch.device("cpu"), enabled=False)


class Encoder(nn.Module):
    """An encoder whose first parameter is a backbone's."""

    def __init__(self, backbone: bool) -> None:
        super().__init__()
        self.first, self.second = (nn.Parameter(torch.randn(3, dtype=torch.float64)) for _ in range(2))
        self.backbone = backbone

    def backbone_parameters(self) -> list[nn.Parameter]:
        return [self.first] if self.backbone else []


class Model(nn.Module):
    """Two parameters of one shape, or the other way around."""

    def __init__(self, backbone: bool = False, turned: bool = False) -> None:
        super().__init__()
        self.encoder = Encoder(backbone)
        if turned:
            self.encoder._parameters = dict(reversed(self.encoder._parameters.items()))


def learn(model: Model, optimizer: torch.optim.Optimizer, updates: int, rate: float = 0.01) -> list[list[Tensor]]:
    """Steps along random gradients; the gradients by update and parameter, before the weights decay."""
    gradients = []
    for _ in range(updates):
        for group in optimizer.param_groups:
            group["lr"].fill_(rate)
        for parameter in (model.encoder.first, model.encoder.second):
            parameter.grad = torch.randn_like(parameter)
        gradients.append([model.encoder.first.grad.clone(), model.encoder.second.grad.clone()])
        optimizer_step(optimizer, UNSCALED, GOOD)
    return gradients


def adam(weights: Tensor, gradients: list[Tensor], rate: float, decay: float) -> Tensor:
    """Kingma & Ba 2015, algorithm 1, with the decoupled decay of Loshchilov & Hutter 2019, algorithm 2."""
    mean = square = torch.zeros_like(weights)
    for update, gradient in enumerate(gradients, start=1):
        mean, square = 0.9 * mean + 0.1 * gradient, 0.98 * square + 0.02 * gradient**2
        step = (mean / (1 - 0.9**update)) / ((square / (1 - 0.98**update)).sqrt() + 1e-8)
        weights = weights - rate * step - rate * decay * weights
    return weights


def sgd(weights: Tensor, gradients: list[Tensor], rate: float, decay: float) -> Tensor:
    for gradient in gradients:
        weights = weights - rate * (gradient + decay * weights)
    return weights


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(("name", "formula"), [("adam", adam), ("sgd", sgd)])
def test_steps_are_those_of_the_formula(name: str, formula: Callable[..., Tensor], decay: float) -> None:
    model = Model()
    start = [model.encoder.first.detach().clone(), model.encoder.second.detach().clone()]
    optimizer = build_optimizer(model, TrainingConfig(optimizer=name, weight_decay=decay))
    gradients = learn(model, optimizer, updates=4, rate=0.05)
    for index, parameter in enumerate((model.encoder.first, model.encoder.second)):
        expected = formula(start[index], [row[index] for row in gradients], 0.05, decay)
        torch.testing.assert_close(parameter.detach(), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_a_bad_gradient_changes_neither_weights_nor_moments(name: str) -> None:
    model = Model()
    optimizer = build_optimizer(model, TrainingConfig(optimizer=name, weight_decay=0.1))
    learn(model, optimizer, updates=2)
    before = {key: tensor.clone() for key, tensor in (optimizer_tensors(optimizer, model) | model.state_dict()).items()}
    optimizer_step(optimizer, UNSCALED, BAD)
    after = optimizer_tensors(optimizer, model) | model.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before)
    optimizer_step(optimizer, UNSCALED, GOOD)
    assert not torch.equal(model.encoder.first, before["encoder.first"])


def test_a_backbone_is_a_group_of_its_own() -> None:
    model = Model(backbone=True)
    optimizer = build_optimizer(model, TrainingConfig())
    assert [group["params"] for group in optimizer.param_groups] == [[model.encoder.second], [model.encoder.first]]
    assert len(build_optimizer(Model(), TrainingConfig()).param_groups) == 1


@pytest.mark.parametrize(("backbone", "turned"), [(False, True), (True, False), (True, True)])
def test_moments_find_their_parameters_by_name(backbone: bool, turned: bool) -> None:
    """In a model whose parameters come in another order, too, and groups in another one than parameters."""
    one, other = Model(), Model(backbone, turned)
    config = TrainingConfig(weight_decay=0.1)
    optimizer = build_optimizer(one, config)
    learn(one, optimizer, updates=3)
    saved = {key: tensor.clone() for key, tensor in optimizer_tensors(optimizer, one).items()}
    assert saved.keys() == {
        f"optimizer.{moment}.encoder.{name}"
        for moment in ("exp_avg", "exp_avg_sq", "step")
        for name in ("first", "second")
    }
    restored = build_optimizer(other, config)
    restore_optimizer(restored, other, {"model.encoder.first": torch.zeros(3), **saved})
    again = optimizer_tensors(restored, other)
    assert again.keys() == saved.keys()
    assert all(torch.equal(again[key], saved[key]) for key in saved)
    # And training goes on with them.
    other.load_state_dict(one.state_dict())
    for model, algorithm in ((one, optimizer), (other, restored)):
        torch.manual_seed(3)
        learn(model, algorithm, updates=2)
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in one.state_dict().items())


def test_a_real_model_with_tied_tables_gives_its_moments_back(tiny_model: Callable[..., Seq2Seq]) -> None:
    one, other = (tiny_model(tie_embeddings="all") for _ in range(2))
    optimizer = build_optimizer(one, TrainingConfig())
    for parameter in one.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer_step(optimizer, UNSCALED, GOOD)
    saved = optimizer_tensors(optimizer, one)
    assert len(saved) == 3 * len(list(one.parameters()))
    restored = build_optimizer(other, TrainingConfig())
    restore_optimizer(restored, other, saved)
    again = optimizer_tensors(restored, other)
    assert all(torch.equal(again[key], saved[key]) for key in saved)
