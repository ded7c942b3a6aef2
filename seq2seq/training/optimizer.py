"""The optimiser of a recipe, and its step."""

from typing import Any

import torch
from torch import Tensor

from seq2seq.config import TrainingConfig
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.vision.encoder import ImageEncoder


def build_optimizer(model: Seq2Seq, config: TrainingConfig) -> torch.optim.Optimizer:
    """Fused Adam or plain SGD; the learning rate is set before every step."""
    groups = _parameter_groups(model)
    match config.optimizer:
        case "sgd":
            return torch.optim.SGD(groups, lr=1.0, weight_decay=config.weight_decay, fused=True)
        case "adam":
            # Decoupled decay (Loshchilov & Hutter 2019); without decay it is Adam (Kingma & Ba 2015).
            return torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.98), weight_decay=config.weight_decay, fused=True)


def optimizer_step(optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, bad: Tensor) -> None:
    """Applies the gradient unless ``bad`` is 1 (it is not finite): then no weight changes."""
    if scaler.is_enabled():
        scaler.step(optimizer)  # makes the same check
        scaler.update()
    else:
        # Fused optimisers read this on the device, so the host need not wait to know.
        optimizer.found_inf = bad  # type: ignore[attr-defined]
        optimizer.step()


def _parameter_groups(model: Seq2Seq) -> list[dict[str, Any]]:
    """The parameters; those of a backbone, which has a learning rate of its own, in a second group."""
    backbone = list(model.encoder.backbone.parameters()) if isinstance(model.encoder, ImageEncoder) else []
    known = set(map(id, backbone))
    others = [parameter for parameter in model.parameters() if id(parameter) not in known]
    return [{"params": group} for group in (others, backbone) if group]
