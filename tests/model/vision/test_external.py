"""Backbones of other packages: stand-ins for the packages, which do not import beside every torch."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from seq2seq.config import Config, ModelConfig
from seq2seq.errors import ConfigError
from seq2seq.files.tensors import load_tensors, save_tensors
from seq2seq.model.build import build_backbone, build_model
from seq2seq.model.vision.encoder import ImageEncoder
from seq2seq.model.vision.external import ExternalBackbone
from seq2seq.runs.folder import restore_weights, unique_tensors

IMAGES = torch.rand(2, 3, 224, 224) * 2 - 1
CHANNELS = 6


def network() -> nn.Sequential:
    """Feature maps of 7 × 7, with statistics that are no parameters."""
    return nn.Sequential(nn.Conv2d(3, CHANNELS, 32, stride=32), nn.BatchNorm2d(CHANNELS), nn.ReLU())


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """Both packages, in which every model is this one; what they publish is what it has now."""
    trained = network()
    nn.init.uniform_(trained[1].running_mean)

    def create(*, pretrained: bool) -> nn.Module:
        made = network()
        if pretrained:
            made.load_state_dict(trained.state_dict())
        return made

    class Residual(nn.Module):
        def __init__(self, features: nn.Module) -> None:
            super().__init__()
            self.stem, self.pool, self.fc = features, nn.AdaptiveAvgPool2d(1), nn.Linear(CHANNELS, 10)

    timm, torchvision, models = ModuleType("timm"), ModuleType("torchvision"), ModuleType("torchvision.models")
    timm.create_model = lambda name, pretrained, num_classes, global_pool: create(pretrained=pretrained)
    models.get_model = lambda name, weights: Residual(create(pretrained=weights is not None))
    for module in (timm, torchvision, models):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    return trained


@pytest.mark.parametrize("name", ["timm:some.model", "torchvision:resnet18"])
def test_features_are_those_of_the_published_network(name: str, published: nn.Module, tmp_path: Path) -> None:
    backbone = build_backbone(name)
    backbone.load_pretrained(tmp_path)
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = published.eval()(((IMAGES + 1) / 2 - mean) / deviation)
    torch.testing.assert_close(backbone.eval()(IMAGES), expected)
    assert backbone.size == CHANNELS


def test_a_saved_model_keeps_the_statistics_it_normalises_with(published: nn.Module, tmp_path: Path) -> None:
    config = ModelConfig(
        encoder="image", backbone="timm:x", bridge="mean", tie_embeddings="target", layers=1, hidden_size=8, dropout=0
    )
    model = build_model(config, 9, 9)
    assert isinstance(model.encoder, ImageEncoder)
    model.encoder.backbone.load_pretrained(tmp_path)
    model.train()
    assert not model.encoder.backbone.training
    save_tensors(tmp_path / "weights", unique_tensors(model))
    with torch.device("meta"):
        other = build_model(config, 9, 9)
    restore_weights(other, load_tensors(tmp_path / "weights"), tmp_path)
    assert torch.equal(other.encoder.backbone.eval()(IMAGES), model.encoder.backbone(IMAGES))


@pytest.mark.parametrize("name", ["timm:resnet18", "torchvision:resnet18"])
def test_a_package_that_does_not_import_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = name.partition(":")[0]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=f"needs the package {package}.*pip install {package}.*efficientnet-lite0"):
        ExternalBackbone(name)


def test_a_model_they_do_not_know_is_named(published: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str, weights: object) -> nn.Module:
        raise ValueError(f"Unknown model {name}")

    monkeypatch.setattr(sys.modules["torchvision.models"], "get_model", unknown)
    with pytest.raises(ConfigError, match=r"torchvision:resnet17.*cannot be had: Unknown model resnet17"):
        ExternalBackbone("torchvision:resnet17")


def test_other_names_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.backbone"):
        Config(model=ModelConfig(backbone="resnet18"))
