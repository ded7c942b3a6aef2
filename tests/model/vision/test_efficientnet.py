"""The backbone: the same numbers as the package that published it, and sensible names for photographs."""

from pathlib import Path

import pytest
import sklearn.datasets
import torch
from efficientnet_lite_pytorch import EfficientNet

from seq2seq.corpus.images import read_image
from seq2seq.model.vision.efficientnet import EfficientNetLite0

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def backbone() -> EfficientNetLite0:
    made = EfficientNetLite0().eval()
    made.load_pretrained(ROOT / "data" / "downloads")
    return made


def classify(backbone: EfficientNetLite0, images: torch.Tensor) -> torch.Tensor:
    """Logits of ImageNet's classes, (B, 1000)."""
    return backbone.classifier(backbone(images).mean((2, 3)))


@pytest.mark.slow
def test_logits_equal_the_published_packages(backbone: EfficientNetLite0) -> None:
    published = EfficientNet.from_name("efficientnet-lite0").eval()
    path = next((ROOT / "data" / "downloads").glob("efficientnet*/*.pth"))
    published.load_state_dict(torch.load(path, weights_only=True))
    images = torch.rand(2, 3, 224, 224).double() * 2 - 1
    with torch.inference_mode():
        exact = EfficientNetLite0().double().eval()
        exact.load_state_dict({name: tensor.double() for name, tensor in backbone.state_dict().items()})
        torch.testing.assert_close(classify(exact, images), published.double()(images), atol=1e-5, rtol=0)


def test_features_have_49_places_at_any_stride() -> None:
    with torch.inference_mode():
        assert EfficientNetLite0().eval()(torch.zeros(1, 3, 224, 224)).shape == (1, 1280, 7, 7)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "classes"), [("china.jpg", {698}), ("flower.jpg", {985})])
def test_photographs_are_recognised(name: str, classes: set[int], backbone: EfficientNetLite0) -> None:
    """A palace and a daisy."""
    path = Path(sklearn.datasets.__file__).parent / "images" / name
    with torch.inference_mode():
        assert int(classify(backbone, read_image(path).unsqueeze(0)).argmax()) in classes
