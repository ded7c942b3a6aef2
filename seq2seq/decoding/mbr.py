"""Minimum Bayes risk: the output with the highest expected utility, which is sentence-level chrF2 (Popović 2016).

Kumar & Byrne 2004 for n-best lists; Eikema & Aziz 2020 for samples. N-grams of each text are counted once, not once
for each pair.

Shapes: ``N`` candidates; row i of a matrix is candidate i as the output, column j candidate j as its reference.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

_ORDERS = 6
# β² of chrF2: recall counts twice as much as precision.
_BETA_SQUARED = 4.0


def expected_utilities(texts: Sequence[str], weights: Sequence[float]) -> list[float]:
    """``Σ_j weight_j · chrF2(text_i, text_j)`` of each text i, 0 to 100.

    Args:
        texts: candidates, each once.
        weights: their probabilities.
    """
    expected: list[float] = (_chrf(texts) @ np.asarray(weights)).tolist()
    return expected


def weights_of_list(log_probs: Sequence[float]) -> list[float]:
    """Probabilities of the candidates of an n-best list, as if there were no others: a softmax."""
    highest = max(log_probs)
    shares = [math.exp(log_prob - highest) for log_prob in log_probs]
    return [share / sum(shares) for share in shares]


def _chrf(texts: Sequence[str]) -> Matrix:
    """chrF2 of all pairs, (N, N): mean precision and mean recall of the orders that both texts are long enough for."""
    characters = ["".join(text.split()) for text in texts]
    precision = recall = orders = np.zeros((len(texts), len(texts)))
    for order in range(1, _ORDERS + 1):
        matches, count = _matches(characters, order)
        both = (count[:, None] > 0) & (count > 0)
        precision = precision + matches / np.maximum(count, 1)[:, None]
        recall = recall + matches / np.maximum(count, 1)
        orders = orders + both
    precision, recall = precision / np.maximum(orders, 1), recall / np.maximum(orders, 1)
    below = _BETA_SQUARED * precision + recall
    return 100 * (1 + _BETA_SQUARED) * precision * recall / np.where(below > 0, below, 1)


def _matches(texts: Sequence[str], order: int) -> tuple[Matrix, Matrix]:
    """Character n-grams of one order that each pair of texts shares, (N, N), and how many each text has, (N,)."""
    occurrences: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, text in enumerate(texts):
        for ngram, count in Counter(text[place : place + order] for place in range(len(text) - order + 1)).items():
            occurrences[ngram].append((number, count))
    matches = np.zeros((len(texts), len(texts)))
    for pairs in occurrences.values():
        numbers, counts = np.array(pairs).T
        matches[np.ix_(numbers, numbers)] += np.minimum.outer(counts, counts)
    return matches, np.array([max(len(text) - order + 1, 0) for text in texts], dtype=float)
