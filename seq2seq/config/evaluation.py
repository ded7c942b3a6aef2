"""The table ``[evaluation]``: how outputs are compared with references."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Tokeniser = Literal["auto", "13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "flores200", "none"]
MetricName = Literal["bleu", "chrf", "chrf++", "ter", "cer", "wer"]


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationConfig:
    """How texts are scored, in validation as in evaluation."""

    tokenize: Tokeniser = "auto"
    """sacreBLEU's tokeniser for BLEU. ``auto``: ``13a``; if most letters of the references are of scripts without
    spaces, ``zh`` for Han alone, else ``char``. ``ja-mecab`` and ``ko-mecab`` need sacreBLEU's extras; ``flores200``
    fetches its model."""
    lowercase: bool = False
    """Compare texts in lower case."""
    metrics: tuple[MetricName, ...] = ("bleu", "chrf", "ter", "cer", "wer")
    """What ``evaluate`` computes, besides exact match and, where targets are labels, a confusion table. ``chrf`` is
    chrF2; ``cer`` and ``wer`` are edit distances in characters and in words."""


def evaluation_faults(evaluation: EvaluationConfig) -> Iterator[str]:
    """Every reason why these settings cannot work."""
    if not evaluation.metrics or len(set(evaluation.metrics)) < len(evaluation.metrics):
        yield f"evaluation.metrics = {list(evaluation.metrics)} must name at least one metric, and each once"
