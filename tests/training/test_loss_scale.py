"""The loss scale: that of torch's GradScaler, and of no effect on what is learnt."""

import json

import pytest
import torch
from torch import nn

from seq2seq.config import TrainingConfig
from seq2seq.training import loss_scale
from seq2seq.training.loss_scale import LossScale
from seq2seq.training.optimizer import build_optimizer, clip_gradients, optimizer_step

CPU = torch.device("cpu")


def test_it_adapts_as_the_scaler_of_torch_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loss_scale, "_INTERVAL", 3)
    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.1, fused=True)
    theirs, ours = torch.amp.GradScaler("cpu", growth_interval=3), LossScale(CPU, enabled=True)
    seen = []
    for bad in [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0]:
        weight.grad = None
        theirs.scale(weight.sum() * (float("nan") if bad else 1.0)).backward()
        theirs.step(optimizer)
        theirs.update()
        ours.update(torch.tensor(float(bad)))
        seen.append(float(ours.factor))
        assert ours.numbers() == {name: theirs.state_dict()[name] for name in ("scale", "_growth_tracker")}
    assert set(seen) == {2.0**16, 2.0**17, 2.0**18}


class Model(nn.Module):
    """Two weights."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[0.5, -1.0], [2.0, 0.1]]))
        self.encoder = self

    def backbone_parameters(self) -> list[nn.Parameter]:
        return []


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("limit", [0.5, float("inf")])
def test_what_is_learnt_does_not_depend_on_it(limit: float, optimizer: str) -> None:
    """To the last bit, since the scale is a power of two."""
    learnt, norms = [], []
    for enabled in (False, True):
        model, scale = Model(), LossScale(CPU, enabled=enabled)
        algorithm = build_optimizer(model, TrainingConfig(optimizer=optimizer, weight_decay=0.1))
        for update in range(5):
            for group in algorithm.param_groups:
                group["lr"].fill_(0.01)
            algorithm.zero_grad()
            scale.scale((model.weight**3 * (update + 1)).sum()).backward()
            norms.append(clip_gradients(model.parameters(), limit, scale))
            optimizer_step(algorithm, scale, torch.tensor(float(update == 3)))
        learnt.append(model.weight.detach())
        assert float(scale.factor) == (2.0**15 if enabled else 1.0)
    assert torch.equal(*learnt)
    assert norms[:5] == norms[5:]


def test_its_state_survives_json() -> None:
    one, other = LossScale(CPU, enabled=True), LossScale(CPU, enabled=True)
    for bad in (1.0, 0.0, 0.0):
        one.update(torch.tensor(bad))
    other.restore(json.loads(json.dumps(one.numbers())))
    assert other.numbers() == one.numbers() == {"scale": 2.0**15, "_growth_tracker": 2}
    off = LossScale(CPU, enabled=False)
    assert off.numbers() == {}
    off.restore(one.numbers())  # of a training that goes on in another precision
    assert float(off.factor) == 1.0
