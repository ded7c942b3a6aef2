"""The loss: label-smoothed cross-entropy of the target, computed a few rows at a time.

Shapes: ``N`` positions (batch times time), ``F`` features, ``V`` vocabulary.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from seq2seq.corpus.subword import PAD

# Logits of one chunk: 8 MB in float32, which stays in a CPU's cache and is small beside a GPU's memory.
_CHUNK_CELLS = 1 << 21
# Fewest positions of a chunk: each chunk reads the output layer and its gradient, 200 MB with 32,000 pieces.
_LEAST_ROWS = 512


@dataclass(frozen=True, slots=True)
class Loss:
    """Sums over the real target positions of a batch, in nats."""

    smoothed: Tensor
    """What training minimises, a scalar with a gradient."""
    nll: Tensor
    """Negative log-likelihood without smoothing, a scalar; perplexity = exp(nll / tokens)."""


def cross_entropy(features: Tensor, output: nn.Linear, targets: Tensor, *, smoothing: float) -> Loss:
    """Cross-entropy of ``softmax(output(features))`` with smoothed targets (Szegedy et al. 2016, §7).

    The target distribution is ``(1 - ε) one_hot + ε / V``. Logits exist for one chunk of positions at a time; their
    gradient is computed along with the loss, from the same softmax, so that no logits are kept for the backward pass.

    Args:
        features: (B, T, F).
        output: the output layer, F → V.
        targets: (B, T) token ids; padding is ignored.
        smoothing: ε.
    """
    smoothed, nll = _ChunkedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        features.flatten(0, 1),
        output.weight,
        output.bias,
        targets.flatten().to(features.device),
        smoothing,
        torch.is_grad_enabled(),
    )
    return Loss(smoothed, nll)


class _ChunkedCrossEntropy(torch.autograd.Function):
    """Computes loss sums and gradients forward; backward only scales the gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        bias: Tensor,
        targets: Tensor,
        smoothing: float,
        with_gradient: bool,
    ) -> tuple[Tensor, Tensor]:
        device = features.device.type
        # Autocast does not reach into a custom function, so matrix products are cast by hand.
        fast = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else features.dtype
        exact = torch.promote_types(features.dtype, torch.float32)
        matrix, offset = weight.to(fast), bias.to(fast)
        rows = max(_LEAST_ROWS, _CHUNK_CELLS // weight.shape[0])
        smoothed, nll = (torch.zeros((), dtype=exact, device=features.device) for _ in range(2))
        grad_features = torch.empty_like(features) if with_gradient else None
        grad_weight = torch.zeros_like(weight) if with_gradient else None
        grad_bias = torch.zeros_like(bias) if with_gradient else None
        with torch.autocast(device, enabled=False):
            for start in range(0, len(features), rows):
                chunk = features[start : start + rows].to(fast)
                labels = targets[start : start + rows].unsqueeze(1)
                real = (labels != PAD).to(exact)
                logits = torch.addmm(offset, chunk, matrix.T)
                probs = torch.softmax(logits, dim=-1)
                # log Σ exp(logits), from the largest probability: at least 1 / V, it never underflows.
                log_total = logits.amax(1, keepdim=True).to(exact) - probs.amax(1, keepdim=True).to(exact).log()
                log_prob = logits.gather(1, labels).to(exact) - log_total
                nll -= (log_prob * real).sum()
                smoothed -= (1 - smoothing) * (log_prob * real).sum()
                if smoothing:
                    mean = logits.mean(1, keepdim=True, dtype=exact) - log_total
                    smoothed -= smoothing * (mean * real).sum()
                if grad_features is None or grad_weight is None or grad_bias is None:
                    continue
                # d loss / d logits = softmax - target distribution. Padding is masked in the products, which are
                # smaller than the logits.
                share = smoothing / weight.shape[0]
                gradient = probs.sub_(share) if smoothing else probs
                gradient.scatter_(1, labels, (log_prob.exp() - (1 - smoothing) - share).to(fast))
                real = real.to(fast)
                grad_bias += (real.T @ gradient)[0]
                grad_features[start : start + rows] = (gradient @ matrix) * real
                grad_weight += gradient.T @ (chunk * real)
        if with_gradient:
            ctx.save_for_backward(grad_features, grad_weight, grad_bias)
        ctx.mark_non_differentiable(nll)
        return smoothed, nll

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_smoothed: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        grad_features, grad_weight, grad_bias = ctx.saved_tensors
        grad_features = grad_features * grad_smoothed.to(grad_features.dtype)
        return grad_features, grad_weight * grad_smoothed, grad_bias * grad_smoothed, None, None, None
