"""The optimiser of a recipe."""

from typing import Any

import torch

from seq2seq.config import TrainingConfig
from seq2seq.model.image_encoder import ImageEncoder
from seq2seq.model.seq2seq import Seq2Seq


def build_optimizer(model: Seq2Seq, config: TrainingConfig) -> torch.optim.Optimizer:
    """Fused Adam or plain SGD; the learning rate is set before every step."""
    groups = _parameter_groups(model)
    match config.optimizer:
        case "sgd":
            return torch.optim.SGD(groups, lr=1.0, weight_decay=config.weight_decay, fused=True)
        case "adam":
            # Decoupled decay (Loshchilov & Hutter 2019); without decay it is Adam (Kingma & Ba 2015).
            return torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.98), weight_decay=config.weight_decay, fused=True)


def _parameter_groups(model: Seq2Seq) -> list[dict[str, Any]]:
    """The parameters; those of a backbone, which has a learning rate of its own, in a second group."""
    backbone = list(model.encoder.backbone.parameters()) if isinstance(model.encoder, ImageEncoder) else []
    known = set(map(id, backbone))
    others = [parameter for parameter in model.parameters() if id(parameter) not in known]
    return [{"params": group} for group in (others, backbone) if group]
