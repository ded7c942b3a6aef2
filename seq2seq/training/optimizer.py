"""The optimiser of a recipe: its step, and its state by parameter name."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from seq2seq.config import TrainingConfig
from seq2seq.model.seq2seq import Seq2Seq


def build_optimizer(model: Seq2Seq, config: TrainingConfig) -> torch.optim.Optimizer:
    """Fused Adam or plain SGD; the learning rates of the groups are set before every step.

    The first group is the model's; a second one is that of a backbone, which has a learning rate of its own.
    """
    backbone = model.encoder.backbone_parameters()
    known = set(map(id, backbone))
    others = [parameter for parameter in model.parameters() if id(parameter) not in known]
    groups: list[dict[str, Any]] = [{"params": group} for group in (others, backbone) if group]
    match config.optimizer:
        case "sgd":
            return torch.optim.SGD(groups, lr=1.0, weight_decay=config.weight_decay, fused=True)
        case "adam":
            # Decoupled decay (Loshchilov & Hutter 2019); without decay it is Adam (Kingma & Ba 2015).
            return torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.98), weight_decay=config.weight_decay, fused=True)


def optimizer_step(optimizer: torch.optim.Optimizer, scaler: torch.amp.GradScaler, bad: Tensor) -> None:
    """Applies the gradient; where ``bad`` is 1 (it is not finite) no weight changes."""
    if scaler.is_enabled():
        scaler.step(optimizer)  # makes the same check
        scaler.update()
    else:
        # Fused optimisers read this on the device, so the host need not wait for it.
        optimizer.found_inf = bad  # type: ignore[attr-defined]
        optimizer.step()


def optimizer_tensors(optimizer: torch.optim.Optimizer, model: Seq2Seq) -> dict[str, Tensor]:
    """The optimiser's state: ``optimizer.<moment>.<parameter>``, such as ``optimizer.exp_avg.decoder.output.bias``."""
    return {
        f"optimizer.{moment}.{name}": tensor
        for name, parameter in model.named_parameters()
        for moment, tensor in optimizer.state.get(parameter, {}).items()
        if isinstance(tensor, Tensor)
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, model: Seq2Seq, tensors: Mapping[str, Tensor]) -> None:
    """Gives the state of :func:`optimizer_tensors` back to an optimiser of the same model."""
    names = {parameter: name for name, parameter in model.named_parameters()}
    # torch's own format numbers the parameters in the order of the groups.
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    numbers = {names[parameter]: number for number, parameter in enumerate(parameters)}
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith("optimizer."):
            _, moment, name = key.split(".", 2)
            state.setdefault(numbers[name], {})[moment] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
