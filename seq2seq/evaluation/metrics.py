"""BLEU, chrF and TER of detokenised text, computed by sacreBLEU, each with the signature that makes it comparable."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

# The seed is sacreBLEU's.
_BOOTSTRAP_SAMPLES, _SEED = 1000, 12345


@dataclass(frozen=True, slots=True)
class Score:
    """A corpus-level score and the middle 95 % of its bootstrap resamples (Koehn 2004)."""

    score: float
    low: float
    high: float
    signature: str


def corpus_scores(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Score]:
    """``bleu`` (Papineni et al. 2002), ``chrf`` (chrF2, Popović 2015) and ``ter`` (Snover et al. 2006), in per cent.

    Args:
        hypotheses: system outputs, detokenised.
        references: one or more for each hypothesis, detokenised.
    """
    streams = reference_streams(references)
    metrics: dict[str, Any] = {"bleu": BLEU(), "chrf": CHRF(), "ter": TER()}
    scores = {}
    for name, metric in metrics.items():
        # sacreBLEU's own interval is centred on the mean of the resampled scores, so it may leave the scale.
        statistics = metric._extract_corpus_statistics(list(hypotheses), streams)
        low, high = np.percentile(_resampled_scores(metric, statistics), [2.5, 97.5]).tolist()
        metric.n_bootstrap, metric.seed = _BOOTSTRAP_SAMPLES, str(_SEED)  # for the signature
        score = float(metric._aggregate_and_compute(statistics).score)
        scores[name] = Score(score, low, high, str(metric.get_signature()))
    return scores


def bleu(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Corpus BLEU without an interval, for validation."""
    # Without `force` sacreBLEU warns at every validation that captions look tokenised.
    return float(BLEU(force=True).corpus_score(list(hypotheses), reference_streams(references)).score)


def reference_streams(references: Sequence[Sequence[str]]) -> Any:
    """References in sacreBLEU's layout: stream r holds reference r of each hypothesis, None where there is none."""
    most = max(map(len, references))
    return [[texts[r] if r < len(texts) else None for texts in references] for r in range(most)]


def exact_match(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Share of hypotheses that equal one of their references."""
    return sum(text in texts for text, texts in zip(hypotheses, references, strict=True)) / len(references)


def _resampled_scores(metric: Any, statistics: Sequence[Any]) -> list[float]:
    """Scores of as many sentences drawn with replacement, the same that sacreBLEU's own bootstrap draws."""
    rows, chance = np.array(statistics, dtype=np.float64), np.random.default_rng(_SEED)
    draws = (chance.choice(len(rows), len(rows)) for _ in range(_BOOTSTRAP_SAMPLES))
    # Plain numbers: JSON holds no others.
    return [metric._compute_score_from_stats(rows[draw].sum(0).tolist()).score for draw in draws]
