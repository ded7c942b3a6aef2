"""What a metric counts in each sentence: the score of a corpus, or of any part of it, is a function of their sum.

Shapes: ``N`` sentences, ``K`` counts of a sentence, as many as the metric has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from seq2seq.metrics.scores import Score, reference_streams

Numbers = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Statistics:
    """A system's outputs as one metric sees them."""

    metric: Any
    """sacreBLEU's, with its options."""
    rows: Numbers
    """Counts (N, K): for BLEU lengths and matched n-grams, for chrF those of letters, for TER edits."""

    @property
    def score(self) -> float:
        """Of the whole corpus."""
        return score_of(self.metric, self.rows.sum(0))

    def interval(self, samples: int = 1000, seed: int = 12345) -> Score:
        """The score with the middle 95 % of its bootstrap resamples (Koehn 2004), which are those of sacreBLEU.

        Args:
            samples: how many.
            seed: of the draws.
        """
        count, chance = len(self.rows), np.random.default_rng(seed)
        draws = (np.bincount(chance.choice(count, count), minlength=count) for _ in range(samples))
        scores = [score_of(self.metric, draw.astype(np.float64) @ self.rows) for draw in draws]
        low, high = np.percentile(scores, [2.5, 97.5]).tolist()
        signature = self.metric.get_signature()
        signature.update("bs", samples)
        signature.update("seed", str(seed))
        return Score(self.score, low, high, str(signature))

    def sentence_scores(self) -> list[float]:
        """Of each sentence alone."""
        return [score_of(self.metric, row) for row in self.rows]


def statistics_of(metric: Any, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Statistics:
    """Counts of a metric.

    Args:
        metric: a metric of sacreBLEU.
        hypotheses: system outputs, detokenised.
        references: one or more for each hypothesis, detokenised.
    """
    counts = metric._extract_corpus_statistics(list(hypotheses), reference_streams(references))
    return Statistics(metric, np.array(counts, dtype=np.float64))


def mean_statistics(systems: Sequence[Statistics]) -> Statistics:
    """The mean counts of several systems in each sentence, as of models that differ in their seed alone."""
    return Statistics(systems[0].metric, np.mean([system.rows for system in systems], axis=0))


def score_of(metric: Any, counts: Numbers) -> float:
    """The score that a metric gives for a sum of counts (K,)."""
    return float(metric._compute_score_from_stats(counts).score)
