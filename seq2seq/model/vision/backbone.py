"""Backbones: the convolutional networks that an image encoder can be built on."""

from seq2seq.model.vision.efficientnet import EfficientNetLite0
from seq2seq.model.vision.external import ExternalBackbone

Backbone = EfficientNetLite0 | ExternalBackbone


def build_backbone(name: str) -> Backbone:
    """A backbone with random weights.

    Raises:
        ConfigError: it needs a package that cannot be imported.
    """
    return EfficientNetLite0() if name == "efficientnet-lite0" else ExternalBackbone(name)
