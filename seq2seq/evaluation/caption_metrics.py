"""Scores of captions against several references each, as the captioning papers report them.

Words are those of :func:`caption_words`: lower-cased, without punctuation, close to the tokeniser of the COCO
evaluation, whose Java code is not used here. For the same reason METEOR and SPICE are absent.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import sacrebleu
from sacrebleu.metrics.bleu import BLEU

from seq2seq.evaluation.metrics import reference_streams

_ORDERS = 4
# Standard deviation of the penalty on a difference in length, in words (Vedantam et al. 2015, §5).
_SIGMA = 6.0
Ngrams = Counter[tuple[str, ...]]


def caption_scores(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Any]:
    """``bleu1`` … ``bleu4``, ``cider_d`` and the ``signature`` that says how they were made."""
    most = max(map(len, references))
    signature = f"refs:{most}|case:lc|tok:coco-style|smooth:none|sacrebleu:{sacrebleu.__version__}"
    return {
        **bleu_by_order(hypotheses, references),
        "cider_d": cider_d(hypotheses, references),
        "signature": signature,
    }


def caption_words(text: str) -> list[str]:
    """``"A dog's ball isn't red."`` → ``["a", "dog", "'s", "ball", "is", "n't", "red"]``."""
    return re.findall(r"n't\b|'\w+|\w+(?:-\w+)*", text.lower().replace("n't", " n't"))


def bleu_by_order(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """BLEU-1 to BLEU-4 (Papineni et al. 2002), 0 to 100, unsmoothed; the closest reference sets the length.

    Args:
        hypotheses: captions.
        references: one or more for each.

    Returns:
        ``bleu1`` … ``bleu4``.
    """
    outputs = [" ".join(caption_words(text)) for text in hypotheses]
    streams = reference_streams([[" ".join(caption_words(text)) for text in own] for own in references])
    scores = {}
    for order in range(1, _ORDERS + 1):
        metric = BLEU(tokenize="none", force=True, smooth_method="none", max_ngram_order=order)
        scores[f"bleu{order}"] = float(metric.corpus_score(outputs, streams).score)
    return scores


def cider_d(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """CIDEr-D (Vedantam et al. 2015, eq. 4-7), 0 to 10; papers print it as it is (0.855) or times 100 (85.5).

    The mean over n = 1 … 4 of the clipped cosine of tf-idf vectors of n-grams, with a penalty on different lengths,
    times 10. Document frequencies are those of the references given: one picture is one document.
    """
    candidates = [_ngrams(text) for text in hypotheses]
    wanted = [[_ngrams(text) for text in own] for own in references]
    frequency: Ngrams = Counter()
    for own in wanted:
        frequency.update(set().union(*own))
    documents = math.log(max(len(references), 1))

    def weigh(grams: Ngrams) -> list[dict[tuple[str, ...], float]]:
        vectors: list[dict[tuple[str, ...], float]] = [{} for _ in range(_ORDERS)]
        for gram, count in grams.items():
            vectors[len(gram) - 1][gram] = count * (documents - math.log(max(1, frequency[gram])))
        return vectors

    scores = []
    for candidate, own in zip(candidates, wanted, strict=True):
        ours = weigh(candidate)
        each = [_similarity(ours, weigh(one), _length(candidate) - _length(one)) for one in own]
        scores.append(10 * sum(each) / len(each))
    return sum(scores) / len(scores)


def _ngrams(text: str) -> Ngrams:
    words = caption_words(text)
    return Counter(
        tuple(words[start : start + order])
        for order in range(1, _ORDERS + 1)
        for start in range(len(words) - order + 1)
    )


def _length(grams: Ngrams) -> int:
    """Words, less one: the COCO code counts bigrams."""
    return sum(count for gram, count in grams.items() if len(gram) == 2)


def _similarity(
    ours: Sequence[dict[tuple[str, ...], float]], theirs: Sequence[dict[tuple[str, ...], float]], difference: int
) -> float:
    total = 0.0
    for one, other in zip(ours, theirs, strict=True):
        product = sum(min(weight, other[gram]) * other[gram] for gram, weight in one.items() if gram in other)
        norms = math.sqrt(sum(v * v for v in one.values())) * math.sqrt(sum(v * v for v in other.values()))
        total += product / norms if norms else 0.0
    return total / len(ours) * math.exp(-(difference**2) / (2 * _SIGMA**2))
