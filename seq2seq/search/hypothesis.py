"""What every search shares: the function it drives, complete hypotheses, and how they are compared.

Shapes: ``R`` live hypotheses of all sentences, ``V`` vocabulary, ``T`` tokens so far.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, Self, TypeVar

import torch
from torch import Tensor

# Values in a chunk; with 32 or 100 the whole takes twice as long.
_CHUNK = 64


class Selectable(Protocol):
    """A decoder's state, one row for each hypothesis."""

    def select(self, index: Tensor) -> Self:
        """The rows ``index`` (R,), in that order."""


S = TypeVar("S", bound=Selectable)
Step = Callable[[Tensor, S], tuple[Tensor, S]]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One complete output."""

    tokens: tuple[int, ...]
    """Without the end mark."""
    log_prob: float
    """log p(tokens, end mark | source), in nats."""
    score: float
    """What hypotheses are ranked by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """How complete hypotheses of different lengths are compared."""

    normalisation: Literal["gnmt", "average", "none"] = "gnmt"
    length_penalty: float = 1.0

    def score(self, log_prob: float, tokens: int) -> float:
        """``log_prob / lp``, where lp is ((5 + length) / 6) ** α (Wu et al. 2016, eq. 14), the length, or 1.

        Args:
            log_prob: of the whole output, in nats.
            tokens: how many, without the end mark, which counts as one more.
        """
        match self.normalisation:
            case "gnmt":
                return log_prob / math.pow((5 + tokens + 1) / 6, self.length_penalty)
            case "average":
                return log_prob / (tokens + 1)
            case "none":
                return log_prob


def log_softmax(logits: Tensor) -> Tensor:
    """Log-probabilities of the last axis, in float32 at least."""
    return torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)


def best_tokens(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The highest of the values (R, V) of each row and their tokens, (R, count) each, best first.

    What ``topk`` finds, but several times as fast on a CPU (docs/log.md): the best are in the chunks whose maxima are
    highest, and a maximum is cheaper than a choice.
    """
    whole = values.shape[1] // _CHUNK * _CHUNK
    if whole <= _CHUNK * count:
        return values.topk(count, dim=1)
    chunks = values[:, :whole].unflatten(1, (-1, _CHUNK)).amax(2).topk(count, dim=1).indices
    within = torch.arange(_CHUNK, device=values.device)
    rest = torch.arange(whole, values.shape[1], device=values.device).expand(len(values), -1)
    tokens = torch.cat([(chunks.unsqueeze(2) * _CHUNK + within).flatten(1), rest], dim=1)
    best, place = values.gather(1, tokens).topk(count, dim=1)
    return best, tokens.gather(1, place)


def hypothesis(tokens: Tensor, log_prob: Tensor, ranking: Ranking) -> Hypothesis:
    """A complete output from its tokens (T,) and its log-probability, a scalar."""
    total = float(log_prob)
    return Hypothesis(tuple(tokens.tolist()), total, ranking.score(total, len(tokens)))
