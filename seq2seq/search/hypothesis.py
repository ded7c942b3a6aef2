"""Complete hypotheses, and how they are compared; without importing torch."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from seq2seq.config import DecodingConfig


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One complete output."""

    tokens: tuple[int, ...]
    """Without the end mark."""
    log_prob: float
    """log p(tokens, end mark | source), in nats."""
    score: float
    """What hypotheses are ranked by."""


def best_first(hypotheses: Iterable[Hypothesis]) -> list[Hypothesis]:
    """Sorted by score; hypotheses with the same score keep their order."""
    return sorted(hypotheses, key=lambda hypothesis: -hypothesis.score)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """How complete hypotheses of different lengths are compared."""

    normalisation: Literal["gnmt", "average", "none"] = "gnmt"
    length_penalty: float = 1.0

    @classmethod
    def of(cls, options: DecodingConfig) -> "Ranking":
        """The one that the settings ask for."""
        return cls(normalisation=options.normalisation, length_penalty=options.length_penalty)

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
