"""Names of scores for people; imports nothing slow."""

from collections.abc import Mapping
from typing import Any

from seq2seq.config.evaluation import MetricName

LABELS: dict[MetricName, str] = {
    "bleu": "BLEU",
    "chrf": "chrF2",
    "chrf++": "chrF2++",
    "ter": "TER",
    "cer": "CER",
    "wer": "WER",
}
"""Of the metrics, in the order in which they are shown."""

ERROR_RATES = ("ter", "cer", "wer")
"""Of these less is better."""

JUDGES = {"bleu": "BLEU", "chrf": "chrF2", "cer": "CER", "wer": "WER", "exact_match": "exact match"}
"""Of the scores of a validation that may choose the best model, by their key in the log."""


def judge_of(numbers: Mapping[str, Any]) -> str | None:
    """The key of the score that a validation was judged by; exact match, which all have, if there is no other."""
    return next((key for key in JUDGES if key in numbers), None)


def shown_score(key: str, score: float) -> str:
    """A score of a validation as people read it: ``BLEU 31.2``, ``exact match 97.5%``."""
    return f"{JUDGES[key]} {score:.1%}" if key == "exact_match" else f"{JUDGES[key]} {score:.1f}"
