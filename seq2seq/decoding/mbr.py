"""Minimum Bayes risk: the output that is closest to all that the model might have said.

Kumar & Byrne 2004 for lists of the best; Eikema & Aziz 2020 for samples. Each text is taken apart once, not once
for each pair.

Shapes: ``N`` candidates; row i of a matrix is candidate i as the output, column j candidate j as its reference.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from sacrebleu.metrics.bleu import BLEU

Utility = Literal["chrf", "bleu"]
Matrix = npt.NDArray[np.float64]

_CHRF_ORDERS, _BLEU_ORDERS = 6, 4
# β² of chrF2: recall counts twice as much as precision.
_BETA_SQUARED = 4.0


def expected_utilities(texts: Sequence[str], weights: Sequence[float], utility: Utility) -> list[float]:
    """``Σ_j weight_j · utility(text_i, text_j)`` of each text i, 0 to 100.

    Args:
        texts: candidates, each once.
        weights: how likely each is; they sum to 1.
        utility: sentence-level chrF2 (Popović 2016), or BLEU with ``effective_order`` and exponential smoothing, both
            as sacrebleu has them.
    """
    matrix = _chrf(texts) if utility == "chrf" else _bleu(texts)
    expected: list[float] = (matrix @ np.asarray(weights)).tolist()
    return expected


def weights_of_list(log_probs: Sequence[float]) -> list[float]:
    """Probabilities of the candidates of a list, as if there were no others: softmax of their log-probabilities."""
    highest = max(log_probs)
    shares = [math.exp(log_prob - highest) for log_prob in log_probs]
    return [share / sum(shares) for share in shares]


def _chrf(texts: Sequence[str]) -> Matrix:
    """chrF2 of all pairs, (N, N): mean precision and mean recall of the orders that both texts are long enough for."""
    characters = ["".join(text.split()) for text in texts]
    precision = recall = orders = np.zeros((len(texts), len(texts)))
    for order in range(1, _CHRF_ORDERS + 1):
        matches, count = _matches(characters, order)
        both = (count[:, None] > 0) & (count > 0)
        precision = precision + matches / np.maximum(count, 1)[:, None]
        recall = recall + matches / np.maximum(count, 1)
        orders = orders + both
    precision, recall = precision / np.maximum(orders, 1), recall / np.maximum(orders, 1)
    below = _BETA_SQUARED * precision + recall
    return 100 * (1 + _BETA_SQUARED) * precision * recall / np.where(below > 0, below, 1)


def _bleu(texts: Sequence[str]) -> Matrix:
    """BLEU of all pairs, (N, N), over the orders that the output is long enough for.

    The k-th order of a pair that has no match counts as ``2 ** -k`` matches (NIST's smoothing).
    """
    tokenise = BLEU().tokenizer
    words = [tokenise(text.rstrip()).split() for text in texts]
    length = np.array([len(each) for each in words], dtype=float)
    shape = len(texts), len(texts)
    logs, without, any_match = np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool)
    for order in range(1, _BLEU_ORDERS + 1):
        matches, count = _matches(words, order)
        long_enough = (count > 0)[:, None]
        without += (matches == 0) & long_enough
        smoothed = np.where(matches > 0, matches, 0.5**without) / np.maximum(count, 1)[:, None]
        logs += np.where(long_enough, np.log(smoothed), 0.0)
        any_match |= matches > 0
    orders = np.clip(length, 1, _BLEU_ORDERS)[:, None]
    brevity = np.minimum(0.0, 1 - length / np.maximum(length, 1)[:, None])
    return np.where(any_match, 100 * np.exp(logs / orders + brevity), 0.0)


def _matches(texts: Sequence[Sequence[str]], order: int) -> tuple[Matrix, Matrix]:
    """N-grams of one order that each pair of texts shares, (N, N), and how many each text has, (N,)."""
    holders: dict[Sequence[str], list[tuple[int, int]]] = defaultdict(list)
    for number, text in enumerate(texts):
        ngrams = (text[place : place + order] for place in range(len(text) - order + 1))
        counts = Counter(ngram if isinstance(ngram, str) else tuple(ngram) for ngram in ngrams)
        for ngram, count in counts.items():
            holders[ngram].append((number, count))
    matches = np.zeros((len(texts), len(texts)))
    for found in holders.values():
        numbers, counted = np.array(found).T
        matches[np.ix_(numbers, numbers)] += np.minimum.outer(counted, counted)
    return matches, np.array([max(len(text) - order + 1, 0) for text in texts], dtype=float)
