"""Scores of parts of a corpus: by length of sentence, by how rare the words are (Sutskever et al. 2014, Fig. 3)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from seq2seq.evaluation.statistics import Statistics
from seq2seq.metrics.scores import Score

# Resamples of an interval: a figure has many, and its eye is no ruler.
_SAMPLES = 200


@dataclass(frozen=True, slots=True)
class Bucket:
    """The sentences whose value lies in one range."""

    low: float
    """The smallest value among them."""
    high: float
    """The largest."""
    sentences: Sequence[int]
    """Their numbers, from 0."""


def buckets(values: Sequence[float], most: int = 8) -> list[Bucket]:
    """Sentences in the order of their values, cut into parts of about the same size; equal values stay together.

    Args:
        values: of each sentence.
        most: buckets; there are fewer where many values are equal.
    """
    order = np.argsort(np.array(values), kind="stable")
    ordered = np.array(values)[order]
    wanted = [round(len(ordered) * part / most) for part in range(most)]
    # Each cut moves to the first sentence with its value.
    starts = sorted({int(np.searchsorted(ordered, ordered[start])) for start in wanted if start < len(ordered)})
    return [
        Bucket(float(ordered[start]), float(ordered[end - 1]), order[start:end].tolist())
        for start, end in pairwise([*starts, len(ordered)])
    ]


def bucket_scores(statistics: Statistics, parts: Sequence[Bucket]) -> list[Score]:
    """The corpus-level score of each bucket, with the middle 95 % of its bootstrap resamples.

    Args:
        statistics: of all sentences.
        parts: of them.
    """
    return [Statistics(statistics.metric, statistics.rows[list(part.sentences)]).interval(_SAMPLES) for part in parts]


def frequency_ranks(sentences: Iterable[Sequence[str]]) -> dict[str, float]:
    """The rank of each word of a text: 1 for the most frequent. Words of the same frequency share the mean of theirs.

    Args:
        sentences: each as its words.
    """
    counts = Counter(word for words in sentences for word in words)
    groups = sorted(Counter(counts.values()).items(), reverse=True)
    ranks, before = {}, 0
    for count, words in groups:
        ranks[count] = before + (words + 1) / 2
        before += words
    return {word: ranks[count] for word, count in counts.items()}


def mean_ranks(sentences: Iterable[Sequence[str]], ranks: Mapping[str, float]) -> list[float]:
    """The mean frequency rank of each sentence's words; 0 for a sentence without words.

    Args:
        sentences: each as its words.
        ranks: :func:`frequency_ranks` of a text, such as the training part; other words come after all of these.
    """
    rarest = len(ranks) + 1.0
    return [sum(ranks.get(word, rarest) for word in words) / max(len(words), 1) for words in sentences]
