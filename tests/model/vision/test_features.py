"""The cache of features: it tells apart whatever changes them, and nothing that came before shows in them."""

import os
import random
import shutil
import sys
from pathlib import Path
from types import ModuleType

import PIL.Image
import pytest
import torch
from shapes import make_corpus
from torch import Tensor, nn

from seq2seq.config import Config
from seq2seq.corpus import images
from seq2seq.corpus.captions import image_reader
from seq2seq.corpus.images import read_image
from seq2seq.corpus.prepared import prepare
from seq2seq.device import DeviceSpec, autocast
from seq2seq.model.vision import backbone, features
from seq2seq.model.vision.backbone import build_backbone
from seq2seq.model.vision.encoder import flatten_maps
from seq2seq.model.vision.features import Pictures
from seq2seq.recipe import load_recipe

SIZES = {"train": 4, "valid": 4}
BACKBONE = "timm:a.model"


class Stripes(nn.Module):
    """A backbone whose output depends on the precision of its products."""

    def __init__(self) -> None:
        super().__init__()
        self.filter = nn.Conv2d(3, 6, 32, stride=32)
        nn.init.normal_(self.filter.weight, generator=torch.Generator().manual_seed(1))
        nn.init.constant_(self.filter.bias, 1000.0)

    def forward(self, pixels: Tensor) -> Tensor:
        maps: Tensor = self.filter(pixels)
        return maps


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A package ``timm`` in which every model is this one."""
    timm = ModuleType("timm")
    timm.create_model = lambda name, pretrained, num_classes, global_pool: Stripes()
    monkeypatch.setitem(sys.modules, "timm", timm)
    monkeypatch.setattr(backbone.metadata, "version", lambda name: "1.0")
    return timm


@pytest.fixture
def config(tmp_path: Path) -> Config:
    make_corpus(tmp_path / "shapes", SIZES, random.Random(1))
    places = [f"data.path={tmp_path / 'shapes'}", f"data.directory={tmp_path / 'data'}"]
    return load_recipe("flickr8k", [*places, f"model.backbone={BACKBONE}", "subword.vocab_size=20"])


def cached(config: Config, precision: str) -> Tensor:
    prepared = prepare(config)
    return Pictures(prepared, config, DeviceSpec.pick("cpu", precision)).features(prepared.images)


def computed(config: Config, precision: str) -> Tensor:
    """Features as ``caption`` computes them, from the pixels of each picture."""
    read, device_spec = image_reader(config.data), DeviceSpec.pick("cpu", precision)
    pixels = torch.stack([read_image(read(name)) for name in prepare(config).images])
    with torch.inference_mode(), autocast(device_spec.device, device_spec.dtype):
        return flatten_maps(build_backbone(BACKBONE).eval()(pixels)).float()


@pytest.mark.parametrize("first", ["bf16", "fp32"])
def test_features_are_those_of_the_precision_asked_for_whichever_came_before(first: str, config: Config) -> None:
    cached(config, first)
    for precision in ("fp32", "bf16"):
        torch.testing.assert_close(cached(config, precision), computed(config, precision), rtol=1e-6, atol=1e-5)
    assert (cached(config, "bf16") - cached(config, "fp32")).abs().max() > 0.1


def test_features_are_computed_once_for_each_precision(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [cached(config, precision) for precision in ("fp32", "bf16")]
    monkeypatch.setattr(features, "build_backbone", None)
    assert all(map(torch.equal, before, (cached(config, precision) for precision in ("fp32", "bf16"))))


@pytest.mark.parametrize("what", ["version of the package", "reading of pictures"])
def test_features_are_computed_again_when_what_makes_them_changes(
    what: str, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cached(config, "fp32")
    if what == "reading of pictures":
        monkeypatch.setattr(features, "READING", images.READING + 1)
    else:
        monkeypatch.setattr(backbone.metadata, "version", lambda name: "1.1")
    monkeypatch.setattr(Stripes, "forward", lambda self, pixels: self.filter(pixels) + 1)
    torch.testing.assert_close(cached(config, "fp32"), before + 1)


def test_another_picture_under_the_same_name_size_and_time_is_another_corpus(config: Config) -> None:
    """Once the corpus is built again: its fingerprint, at which a resumed training looks, and its features are new."""
    path = Path(config.data.path) / "images" / "train1.png"

    def build(colour: str) -> tuple[str, Tensor]:
        PIL.Image.new("RGB", (64, 64), colour).save(path, compress_level=0)
        os.utime(path, (1, 1))
        shutil.rmtree(prepare(config).folder)  # features, which lie beside it, stay
        prepared = prepare(config)
        return prepared.report["fingerprint"], cached(config, "fp32")[prepared.images.index(path.name)]

    (red, of_red), (blue, of_blue), (again, of_again) = map(build, ("red", "blue", "red"))
    assert red == again != blue
    assert torch.equal(of_red, of_again)
    assert (of_red - of_blue).abs().max() > 0.1
