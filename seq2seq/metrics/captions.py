"""Caption scores against several references, as the captioning papers report them.

Words are those of :func:`caption_words`: lower-cased, without punctuation, close to the COCO evaluation's tokeniser,
which needs Java and is not used here. METEOR and SPICE need Java too and are absent.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import sacrebleu
from sacrebleu.metrics.bleu import BLEU

from seq2seq.metrics.scores import reference_streams

_ORDERS = range(1, 5)
# Standard deviation of the penalty on a difference in length, in words (Vedantam et al. 2015, §5).
_SIGMA = 6.0
Ngram = tuple[str, ...]


def caption_scores(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Any]:
    """``bleu1`` … ``bleu4``, ``cider_d`` and the ``signature`` that says how they were computed."""
    signature = f"refs:{max(map(len, references))}|case:lc|tok:coco-style|smooth:none|sacrebleu:{sacrebleu.__version__}"
    return {
        **bleu_by_order(hypotheses, references),
        "cider_d": cider_d(hypotheses, references),
        "signature": signature,
    }


def caption_words(text: str) -> list[str]:
    """``"A dog's ball isn't red."`` → ``["a", "dog", "'s", "ball", "is", "n't", "red"]``."""
    return re.findall(r"n't\b|'\w+|\w+(?:-\w+)*", text.lower().replace("n't", " n't"))


def bleu_by_order(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """``bleu1`` … ``bleu4`` (Papineni et al. 2002), 0 to 100, unsmoothed; the closest reference sets the length."""
    outputs = [_tokenised(text) for text in hypotheses]
    streams = reference_streams([[_tokenised(text) for text in texts] for texts in references])
    scores = {}
    for order in _ORDERS:
        metric = BLEU(tokenize="none", force=True, smooth_method="none", max_ngram_order=order)
        scores[f"bleu{order}"] = float(metric.corpus_score(outputs, streams).score)
    return scores


def cider_d(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """CIDEr-D (Vedantam et al. 2015, eq. 4-7), 0 to 10; papers print it as it is (0.855) or times 100 (85.5).

    The mean over n = 1 … 4 of the clipped cosine of tf-idf vectors of n-grams, with a penalty on different lengths,
    times 10. Document frequencies are counted over the given references, where each picture is one document.
    """
    reference_counts = [[_count_ngrams(text) for text in texts] for texts in references]
    frequency: Counter[Ngram] = Counter()
    for document in reference_counts:
        frequency.update(set().union(*document))
    log_documents = math.log(max(len(references), 1))

    def tf_idf(counts: Mapping[Ngram, int]) -> list[dict[Ngram, float]]:
        """A sparse vector for each order."""
        vectors: list[dict[Ngram, float]] = [{} for _ in _ORDERS]
        for ngram, count in counts.items():
            vectors[len(ngram) - 1][ngram] = count * (log_documents - math.log(max(1, frequency[ngram])))
        return vectors

    scores = []
    for text, own_references in zip(hypotheses, reference_counts, strict=True):
        counts = _count_ngrams(text)
        vectors, bigrams = tf_idf(counts), _bigrams(counts)
        similarities = [_similarity(vectors, tf_idf(other), bigrams - _bigrams(other)) for other in own_references]
        scores.append(10 * sum(similarities) / len(similarities))
    return sum(scores) / len(scores)


def _tokenised(text: str) -> str:
    return " ".join(caption_words(text))


def _count_ngrams(text: str) -> Counter[Ngram]:
    words = caption_words(text)
    return Counter(tuple(words[start : start + n]) for n in _ORDERS for start in range(len(words) - n + 1))


def _bigrams(counts: Mapping[Ngram, int]) -> int:
    """Number of bigrams, which the COCO code takes for the length."""
    return sum(count for ngram, count in counts.items() if len(ngram) == 2)


def _similarity(
    hypothesis: Sequence[Mapping[Ngram, float]], reference: Sequence[Mapping[Ngram, float]], difference: int
) -> float:
    """Mean clipped cosine over the orders, less for texts whose lengths differ by ``difference``."""
    total = 0.0
    for ours, theirs in zip(hypothesis, reference, strict=True):
        product = sum(min(weight, theirs[ngram]) * theirs[ngram] for ngram, weight in ours.items() if ngram in theirs)
        norms = math.sqrt(sum(v * v for v in ours.values())) * math.sqrt(sum(v * v for v in theirs.values()))
        total += product / norms if norms else 0.0
    return total / len(hypothesis) * math.exp(-(difference**2) / (2 * _SIGMA**2))
