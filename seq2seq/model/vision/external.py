"""Backbones of torchvision and timm by name, if these optional packages are installed.

Shapes: ``B`` batch; images are (B, 3, 224, 224) with values from -1 to 1.
"""

import importlib
from pathlib import Path

import torch
from torch import Tensor, nn

from seq2seq.errors import ConfigError

# Of red, green and blue in ImageNet, from 0 to 1: these models were trained on inputs normalised by them.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class ExternalBackbone(nn.Module):
    """A convolutional network of another package without pooling and classifier, randomly initialised.

    Args:
        name: package and model, such as ``torchvision:resnet50`` or ``timm:convnext_tiny``.

    Raises:
        ConfigError: the package cannot be imported, or has no such model.
    """

    size: int
    """Channels of the features."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.features = _network(name, pretrained=False)
        device = next(self.features.parameters()).device
        with torch.no_grad():
            self.size = self.eval().features(torch.zeros(1, 3, 224, 224, device=device)).shape[1]

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, 224, 224) to (B, size, h, w)."""
        mean, std = (images.new_tensor(values).view(-1, 1, 1) for values in (_MEAN, _STD))
        maps: Tensor = self.features(((images + 1) / 2 - mean) / std)
        return maps

    def load_pretrained(self, folder: Path) -> None:
        """Loads the published weights; the package downloads them to its own cache, not to ``folder``.

        Raises:
            ConfigError: they cannot be had.
        """
        self.features.load_state_dict(_network(self.name, pretrained=True).state_dict())


def _network(name: str, *, pretrained: bool) -> nn.Module:
    package, _, model = name.partition(":")
    try:
        module = importlib.import_module("timm" if package == "timm" else "torchvision.models")
    except (ImportError, RuntimeError) as error:  # torchvision: RuntimeError beside another build of torch
        raise ConfigError(
            f'model.backbone = "{name}" needs the package {package}, which cannot be imported ({error}): '
            f'install it with "pip install {package}", or take "efficientnet-lite0", which needs nothing'
        ) from None
    try:
        if package == "timm":
            network: nn.Module = module.create_model(model, pretrained=pretrained, num_classes=0, global_pool="")
            return network
        network = module.get_model(model, weights="DEFAULT" if pretrained else None)
    except (RuntimeError, ValueError, OSError) as error:
        raise ConfigError(f'model.backbone = "{name}" cannot be had: {error}') from None
    # Most models have ``features``; residual networks have not, and end in pooling and classifier.
    features: nn.Module = getattr(network, "features", None) or nn.Sequential(*list(network.children())[:-2])
    return features
