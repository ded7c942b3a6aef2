"""BLEU, chrF and TER of detokenised text, computed by sacreBLEU, each with the signature that makes it comparable."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

_BOOTSTRAP_SAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Score:
    """A corpus-level score with its 95 % bootstrap interval (Koehn 2004)."""

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
        metric._compute_score_from_stats = _with_python_float(metric._compute_score_from_stats)
        result = metric.corpus_score(list(hypotheses), streams, n_bootstrap=_BOOTSTRAP_SAMPLES)
        # sacreBLEU returns the interval's centre and half width, as numpy numbers, which JSON cannot hold.
        centre, half_width = float(result._mean), float(result._ci)
        signature = str(metric.get_signature())
        scores[name] = Score(float(result.score), centre - half_width, centre + half_width, signature)
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


def _with_python_float(compute_score: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wraps sacreBLEU's scoring: its bootstrap (2.6.0) crashes on a mix of numpy's and Python's floats."""

    def compute(statistics: Any) -> Any:
        result = compute_score(statistics)
        result.score = float(result.score)
        return result

    return compute
