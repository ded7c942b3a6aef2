"""The optimiser of a recipe: its step, and its state by parameter name."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from seq2seq.config import TrainingConfig
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.training.loss_scale import LossScale


def build_optimizer(model: Seq2Seq, config: TrainingConfig) -> torch.optim.Optimizer:
    """Fused Adam or plain SGD; the learning rates of the groups are tensors, filled before every step.

    The first group is the model's; a second one is that of a backbone, which has a learning rate of its own.
    """
    backbone = model.encoder.backbone_parameters()
    known = set(map(id, backbone))
    others = [parameter for parameter in model.parameters() if id(parameter) not in known]
    places = {parameter.device for parameter in model.parameters()}
    # Beside the weights, where a recorded step reads it anew. Over several devices it stays with the host, which
    # passes it on to each. The kernels of a CPU compute with a rate in float64, those of a GPU in float32.
    place = places.pop() if len(places) == 1 else torch.device("cpu")
    kind = torch.float64 if place.type == "cpu" else torch.float32
    groups: list[dict[str, Any]] = [
        {"params": group, "lr": torch.ones((), dtype=kind, device=place)} for group in (others, backbone) if group
    ]
    match config.optimizer:
        case "sgd":
            return torch.optim.SGD(groups, weight_decay=config.weight_decay, fused=True)
        case "adam":
            # Decoupled decay (Loshchilov & Hutter 2019); without decay it is Adam (Kingma & Ba 2015).
            return torch.optim.AdamW(
                groups, betas=(0.9, 0.98), weight_decay=config.weight_decay, fused=True, capturable=place.type == "cuda"
            )


def clip_gradients(parameters: Iterable[Tensor], limit: float, scale: LossScale) -> Tensor:
    """Scales gradients down to a norm of at most ``limit``, inf: any; the host does not wait.

    Args:
        parameters: their gradients are still multiplied by the loss scale, before and after.
        limit: for the norm of the unscaled gradients.
        scale: of the loss.

    Returns:
        The norm of the unscaled gradients before, a scalar; not finite if a gradient is not.
    """
    parameters = list(parameters)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients) / scale.factor
    torch.nn.utils.clip_grads_with_norm_(parameters, limit, norm)
    return norm


def optimizer_step(optimizer: torch.optim.Optimizer, scale: LossScale, bad: Tensor) -> None:
    """Applies the gradient, unscaled; where ``bad`` is 1.0 (it is not finite) no weight changes.

    Fused optimisers read both the loss scale and ``bad`` on the device, so the host need not wait for them.
    """
    optimizer.grad_scale = scale.factor if scale.enabled else None  # type: ignore[attr-defined]
    optimizer.found_inf = bad  # type: ignore[attr-defined]
    optimizer.step()
    scale.update(bad)


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
