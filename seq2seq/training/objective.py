"""The loss: label-smoothed cross-entropy of the target, computed a few rows at a time.

Shapes: ``N`` positions (batch times time), ``F`` features, ``V`` vocabulary.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.func import functional_call

from seq2seq.corpus.batching import Batch
from seq2seq.corpus.subword import PAD
from seq2seq.model.seq2seq import Seq2Seq

# Logits of one chunk: 8 MB in float32, which stays in a CPU's cache.
_CHUNK_CELLS = 1 << 21
# On a GPU, where larger products are faster (docs/log.md): at most so many, and so many bytes of its memory for each.
_GPU_CHUNK_CELLS, _GPU_BYTES = 1 << 28, 256
# Fewest positions of a chunk: each chunk reads the output layer and its gradient, 200 MB with 32,000 pieces.
_LEAST_ROWS = 512


@dataclass(frozen=True, slots=True)
class Loss:
    """Sums over the real target positions of a batch, in nats."""

    smoothed: Tensor
    """What training minimises, a scalar with a gradient."""
    nll: Tensor
    """Negative log-likelihood without smoothing, a scalar; perplexity = exp(nll / tokens)."""


class Objective(nn.Module):
    """A model and its loss, computed with weights of another type than the float32 of those that learn.

    The cast is ours: on CUDA autocast runs recurrent layers in float16 whatever type it is told.

    Args:
        model: is trained.
        smoothing: ε of :func:`cross_entropy`.
    """

    def __init__(self, model: Seq2Seq, smoothing: float) -> None:
        super().__init__()
        self.model = model
        self.smoothing = smoothing

    def forward(self, batch: Batch) -> Loss:
        """Teacher forcing and cross-entropy."""
        return cross_entropy(self.model(batch), self.model.decoder.output, batch.tgt_out, smoothing=self.smoothing)

    def cast_weights(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """Copies of the weights for :meth:`loss`, by name: make them once for each update.

        A backbone's are not among them, and if ``dtype`` is float32 none are.
        """
        if dtype == torch.float32:
            return {}
        backbone = set(map(id, self.model.encoder.backbone_parameters()))
        copies = {id(weight): weight.to(dtype) for weight in self.parameters() if id(weight) not in backbone}
        # Each place of a tied weight, but a module that is shared only once: functional_call could not restore it.
        return {
            f"{place}.{name}": copies[id(weight)]
            for place, module in self.named_modules()
            for name, weight in module.named_parameters(recurse=False)
            if id(weight) in copies
        }

    def loss(self, batch: Batch, weights: dict[str, Tensor]) -> Loss:
        """The loss with the copies of :meth:`cast_weights`; its gradient goes through them to the weights."""
        loss: Loss = functional_call(self, weights, (batch,), tie_weights=False)
        return loss


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
        exact = torch.promote_types(features.dtype, torch.float32)
        rows = max(_LEAST_ROWS, _chunk_cells(features.device) // weight.shape[0])
        smoothed, nll = (torch.zeros((), dtype=exact, device=features.device) for _ in range(2))
        grad_features = torch.empty_like(features) if with_gradient else None
        grad_weight = torch.zeros_like(weight, dtype=exact) if with_gradient else None
        grad_bias = torch.zeros_like(bias, dtype=exact) if with_gradient else None
        for start in range(0, len(features), rows):
            chunk = features[start : start + rows]
            labels = targets[start : start + rows].unsqueeze(1)
            real = (labels != PAD).to(exact)
            logits = torch.addmm(bias, chunk, weight.T)
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
            gradient.scatter_(1, labels, (log_prob.exp() - (1 - smoothing) - share).to(probs.dtype))
            real = real.to(probs.dtype)
            grad_bias += (real.T @ gradient)[0]
            grad_features[start : start + rows] = (gradient @ weight) * real
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


def _chunk_cells(device: torch.device) -> int:
    """Logits of one chunk."""
    if device.type != "cuda":
        return _CHUNK_CELLS
    return min(_GPU_CHUNK_CELLS, torch.cuda.get_device_properties(device).total_memory // _GPU_BYTES)
