"""Minimum Bayes risk: the output with the highest expected utility, which is the sentence's score by a criterion.

Kumar & Byrne 2004 for n-best lists; Eikema & Aziz 2020 for samples. N-grams of each text are counted once, not once
for each pair.

Shapes: ``N`` candidates; row i of a matrix is candidate i as the output, column j candidate j as its reference.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import rapidfuzz
from rapidfuzz.distance import Levenshtein

from seq2seq.metrics.criterion import Criterion
from seq2seq.metrics.scores import scorer, settled_on

Matrix = npt.NDArray[np.float64]

_ORDERS, _BLEU_ORDERS = 6, 4
# β² of chrF2: recall counts twice as much as precision.
_BETA_SQUARED = 4.0


def expected_utilities(texts: Sequence[str], weights: Sequence[float], criterion: Criterion) -> list[float]:
    """``Σ_j weight_j · utility(text_i, text_j)`` of each text i, in per cent.

    Args:
        texts: candidates, each once.
        weights: their probabilities.
        criterion: its score of a sentence is the utility; an error rate counts with a minus.
    """
    expected: list[float] = (_utilities(texts, criterion) @ np.asarray(weights)).tolist()
    return expected


def weights_of_list(log_probs: Sequence[float]) -> list[float]:
    """Probabilities of the candidates of an n-best list, as if there were no others: a softmax."""
    highest = max(log_probs)
    shares = [math.exp(log_prob - highest) for log_prob in log_probs]
    return [share / sum(shares) for share in shares]


def _utilities(texts: Sequence[str], criterion: Criterion) -> Matrix:
    """The utility of each text with each as its reference, (N, N)."""
    evaluation = settled_on(criterion.evaluation, [texts])
    cased = [text.lower() for text in texts] if evaluation.lowercase else texts
    match criterion.metric:
        case "bleu":
            tokenize = scorer("bleu", evaluation).tokenizer
            return _bleu([tuple(tokenize(text).split()) for text in cased])
        case "chrf":
            return _chrf(cased)
        case "exact-match":
            return 100 * np.equal.outer(cased, cased).astype(float)
        case "cer" | "wer":
            units = [scorer(criterion.metric, evaluation).units(text) for text in cased]
            edits = rapidfuzz.process.cdist(units, units, scorer=Levenshtein.distance, dtype=np.float64)
            lengths = np.array([len(text) for text in units])
            return -100 * np.where(lengths > 0, edits / np.maximum(lengths, 1), edits > 0)


def _bleu(texts: Sequence[tuple[str, ...]]) -> Matrix:
    """Sentence BLEU of all pairs of tokenised texts, (N, N), as sacreBLEU has it.

    Orders without a match are smoothed by halves (Chen & Cherry 2014, method 3); those that the output is too short for
    are left out.
    """
    log_precision = orders = misses = np.zeros((len(texts), len(texts)))
    for order in range(1, _BLEU_ORDERS + 1):
        matches, count = _matches(texts, order)
        total = count[:, None]
        misses = misses + (matches == 0)
        precision = np.where(matches > 0, matches, 0.5**misses) / np.maximum(total, 1)
        log_precision = log_precision + np.where(total > 0, np.log(precision), 0)
        orders = orders + (total > 0)
    lengths = np.array([len(text) for text in texts], dtype=float)
    brevity = np.minimum(1 - lengths / np.maximum(lengths, 1)[:, None], 0)
    any_match = _matches(texts, 1)[0] > 0
    return np.where(any_match, 100 * np.exp(log_precision / np.maximum(orders, 1) + brevity), 0)


def _chrf(texts: Sequence[str]) -> Matrix:
    """chrF2 of all pairs (Popović 2016), (N, N): of the mean precision and recall, over orders that fit both texts."""
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


def _matches(texts: Sequence[Sequence[str]], order: int) -> tuple[Matrix, Matrix]:
    """N-grams of one order that each pair of texts shares, (N, N), and how many each text has, (N,)."""
    occurrences: dict[Sequence[str], list[tuple[int, int]]] = defaultdict(list)
    for number, text in enumerate(texts):
        for ngram, count in Counter(text[place : place + order] for place in range(len(text) - order + 1)).items():
            occurrences[ngram].append((number, count))
    matches = np.zeros((len(texts), len(texts)))
    for pairs in occurrences.values():
        numbers, counts = np.array(pairs).T
        matches[np.ix_(numbers, numbers)] += np.minimum.outer(counts, counts)
    return matches, np.array([max(len(text) - order + 1, 0) for text in texts], dtype=float)
