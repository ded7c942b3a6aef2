"""What outputs are judged by: in validation, in the choice of the best model, in tuning and in evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from seq2seq.config import Config
from seq2seq.config.evaluation import EvaluationConfig
from seq2seq.metrics.labels import are_labels
from seq2seq.metrics.names import ERROR_RATES
from seq2seq.metrics.scores import corpus_score, exact_match, four_grams, settled_on
from seq2seq.metrics.tokenisers import require_tokeniser

Judge = Literal["bleu", "chrf", "exact-match", "cer", "wer"]

# BLEU means something if at least this share of the sentences have a reference of four tokens.
_ENOUGH = 0.5


@dataclass(frozen=True, slots=True)
class Criterion:
    """A score of texts with all that it takes to compute it: no ``auto`` is left."""

    metric: Judge
    evaluation: EvaluationConfig

    @classmethod
    def of(cls, config: Config, references: Sequence[Sequence[str]]) -> "Criterion":
        """What the settings and these references lead to.

        ``training.validation_metric``, where it names a score of texts that means something; else BLEU where at least
        half of the references have four tokens, exact match for labels, chrF2 for the rest.

        Raises:
            ConfigError: the tokeniser is not installed.
        """
        require_tokeniser(config.evaluation.tokenize)
        evaluation = settled_on(config.evaluation, references)
        metric = config.training.validation_metric
        if metric == "auto" or metric == "perplexity" or (metric == "bleu" and not four_grams(references, evaluation)):
            return cls(_fitting(references, evaluation), evaluation)
        return cls(metric, evaluation)

    @classmethod
    def of_run(cls, config: Config) -> "Criterion":
        """What the settings of a trained run say, without references to look at.

        Training has put something in the place of ``auto``. Where they leave the metric open it is chrF2, which fits
        texts of every length and script.
        """
        metric = config.training.validation_metric
        return cls("chrf" if metric == "auto" or metric == "perplexity" else metric, config.evaluation)

    @property
    def key(self) -> str:
        """The metric's name in logs and manifests."""
        return self.metric.replace("-", "_")

    def score(self, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
        """The metric over all texts: exact match from 0 to 1, the others in per cent."""
        if self.metric == "exact-match":
            return exact_match(hypotheses, references, self.evaluation)
        return corpus_score(self.metric, hypotheses, references, self.evaluation)

    def quality(self, score: float) -> float:
        """The score, turned round where less is better: greater is better."""
        return -score if self.metric in ERROR_RATES else score

    def settled(self, config: Config) -> dict[str, str]:
        """What each ``auto`` of the settings has become, by ``table.key``."""
        settled = {}
        if config.training.validation_metric == "auto":
            settled["training.validation_metric"] = str(self.metric)
        if config.evaluation.tokenize == "auto":
            settled["evaluation.tokenize"] = str(self.evaluation.tokenize)
        return settled


def _fitting(references: Sequence[Sequence[str]], evaluation: EvaluationConfig) -> Judge:
    if four_grams(references, evaluation) >= _ENOUGH:
        return "bleu"
    return "exact-match" if are_labels(references) else "chrf"
