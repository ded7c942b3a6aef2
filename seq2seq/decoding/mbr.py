"""Minimum Bayes risk: the output that is closest to all that the model might have said.

Kumar & Byrne 2004 for lists of the best; Eikema & Aziz 2020 for samples.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

Utility = Literal["chrf", "bleu"]


def expected_utilities(texts: Sequence[str], weights: Sequence[float], utility: Utility) -> list[float]:
    """``Σ_j weight_j · utility(text_i, text_j)`` of each text i, 0 to 100.

    Args:
        texts: candidates, each once.
        weights: how likely each is; they sum to 1.
        utility: sentence-level chrF2 (Popović 2016), or BLEU with ``effective_order`` and exponential smoothing.
    """
    score = _metric(utility)
    return [
        sum(weight * score(text, other) for other, weight in zip(texts, weights, strict=True) if weight)
        for text in texts
    ]


def weights_of_list(log_probs: Sequence[float]) -> list[float]:
    """Probabilities of the candidates of a list, as if there were no others: softmax of their log-probabilities."""
    highest = max(log_probs)
    shares = [math.exp(log_prob - highest) for log_prob in log_probs]
    return [share / sum(shares) for share in shares]


def _metric(utility: Utility) -> Callable[[str, str], float]:
    metric = CHRF() if utility == "chrf" else BLEU(effective_order=True)
    return lambda output, reference: float(metric.sentence_score(output, [reference]).score)
