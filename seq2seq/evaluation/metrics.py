"""Scores of detokenised text, by sacreBLEU, each with the signature that makes it comparable."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

_RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Score:
    """A corpus-level score with its 95 % bootstrap interval (Koehn 2004)."""

    score: float
    low: float
    high: float
    signature: str


def corpus_scores(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, Score]:
    """BLEU (Papineni et al. 2002), chrF2 (Popović 2015) and TER (Snover et al. 2006), 0 to 100 each.

    Args:
        hypotheses: system outputs, detokenised.
        references: one or more for each, detokenised.
    """
    streams = reference_streams(references)
    metrics: dict[str, Any] = {"bleu": BLEU(), "chrf": CHRF(), "ter": TER()}
    scores = {}
    for name, metric in metrics.items():
        metric._compute_score_from_stats = _plain(metric._compute_score_from_stats)
        result = metric.corpus_score(list(hypotheses), streams, n_bootstrap=_RESAMPLES)
        # sacreBLEU gives numpy numbers, which JSON does not know, and the middle and half width of the interval.
        middle, half = float(result._mean), float(result._ci)
        scores[name] = Score(float(result.score), middle - half, middle + half, str(metric.get_signature()))
    return scores


def bleu(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Corpus BLEU alone, without an interval: for validation."""
    # At every validation sacreBLEU would tell again that a corpus looks tokenised, as captions do.
    return float(BLEU(force=True).corpus_score(list(hypotheses), reference_streams(references)).score)


def reference_streams(references: Sequence[Sequence[str]]) -> Any:
    """As sacreBLEU wants them: the first reference of each output, the second of each, and so on."""
    widest = max(map(len, references))
    return [[own[place] if place < len(own) else None for own in references] for place in range(widest)]


def exact_match(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Share of outputs that equal one of their references."""
    return sum(output in own for output, own in zip(hypotheses, references, strict=True)) / len(references)


def _plain(compute: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same with Python's floats: a mix of numpy's and Python's crashes sacreBLEU's bootstrap (2.6.0)."""

    def compute_plain(statistics: Any) -> Any:
        result = compute(statistics)
        result.score = float(result.score)
        return result

    return compute_plain
