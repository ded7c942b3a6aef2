"""Backbones: the convolutional networks that an image encoder can be built on."""

from importlib import metadata

from seq2seq.model.vision.efficientnet import EfficientNetLite0
from seq2seq.model.vision.external import ExternalBackbone

Backbone = EfficientNetLite0 | ExternalBackbone


def build_backbone(name: str) -> Backbone:
    """A backbone with random weights.

    Raises:
        ConfigError: it needs a package that cannot be imported.
    """
    return EfficientNetLite0() if name == "efficientnet-lite0" else ExternalBackbone(name)


def published_version(name: str) -> str:
    """The version of the package that publishes a backbone's weights; empty if it cannot be known."""
    try:
        return "" if name == "efficientnet-lite0" else metadata.version(name.partition(":")[0])
    except metadata.PackageNotFoundError:
        return ""
