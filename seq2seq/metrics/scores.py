"""Scores of detokenised text, each with the signature that makes it comparable; sacreBLEU computes most of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from seq2seq.config.evaluation import EvaluationConfig, MetricName
from seq2seq.metrics.edits import ErrorRate
from seq2seq.metrics.tokenisers import fitting_tokeniser

# The seed is sacreBLEU's.
_BOOTSTRAP_SAMPLES, _SEED = 1000, 12345
# BLEU's longest n-grams (Papineni et al. 2002).
_ORDER = 4


@dataclass(frozen=True, slots=True)
class Score:
    """A corpus-level score and the middle 95 % of its bootstrap resamples (Koehn 2004)."""

    score: float
    low: float
    high: float
    signature: str
    note: str = ""
    """What keeps the score from meaning much; empty if nothing does."""


def settled_on(evaluation: EvaluationConfig, references: Sequence[Sequence[str]]) -> EvaluationConfig:
    """The settings with the tokeniser that fits the references in place of ``auto``."""
    if evaluation.tokenize != "auto":
        return evaluation
    return replace(evaluation, tokenize=fitting_tokeniser([text for texts in references for text in texts]))


def scorer(name: MetricName, evaluation: EvaluationConfig) -> Any:
    """A metric as a ``sacrebleu.metrics.base.Metric``.

    BLEU: Papineni et al. 2002. chrF2 and chrF2++: Popović 2015 and 2017. TER: Snover et al. 2006, always in lower
    case; where the tokeniser is one for scripts without spaces, its words are single characters of these scripts.

    Args:
        name: of the metric.
        evaluation: settled: :func:`settled_on`.
    """
    lowercase, tokenize = evaluation.lowercase, evaluation.tokenize
    match name:
        case "bleu":
            # Without `force` sacreBLEU warns at every validation that captions look tokenised.
            return BLEU(tokenize=tokenize, lowercase=lowercase, force=True)
        case "chrf":
            return CHRF(lowercase=lowercase)
        case "chrf++":
            return CHRF(lowercase=lowercase, word_order=2)
        case "ter":
            split = tokenize in ("zh", "char", "ja-mecab")
            return TER(normalized=split, asian_support=split)
        case "cer":
            return ErrorRate("character", lowercase=lowercase)
        case "wer":
            return ErrorRate("word", lowercase=lowercase)


def corpus_scores(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], evaluation: EvaluationConfig
) -> dict[str, Score]:
    """The scores that ``evaluation.metrics`` names, in per cent.

    Args:
        hypotheses: system outputs, detokenised.
        references: one or more for each hypothesis, detokenised.
        evaluation: its tokeniser may be ``auto``.
    """
    settled, streams = settled_on(evaluation, references), reference_streams(references)
    scores: dict[str, Score] = {}
    for name in settled.metrics:
        metric = scorer(name, settled)
        # sacreBLEU's own interval is centred on the mean of the resampled scores, so it may leave the scale.
        statistics = metric._extract_corpus_statistics(list(hypotheses), streams)
        low, high = np.percentile(_resampled_scores(metric, statistics), [2.5, 97.5]).tolist()
        metric.n_bootstrap, metric.seed = _BOOTSTRAP_SAMPLES, str(_SEED)  # for the signature
        score = float(metric._aggregate_and_compute(statistics).score)
        note = note_on_ngrams(four_grams(references, settled)) if name == "bleu" else ""
        scores[name] = Score(score, low, high, str(metric.get_signature()), note)
    return scores


def corpus_score(
    name: MetricName, hypotheses: Sequence[str], references: Sequence[Sequence[str]], evaluation: EvaluationConfig
) -> float:
    """One corpus-level score without an interval, in per cent."""
    metric = scorer(name, settled_on(evaluation, references))
    return float(metric.corpus_score(list(hypotheses), reference_streams(references)).score)


def sentence_scores(
    name: MetricName, hypotheses: Sequence[str], references: Sequence[Sequence[str]], evaluation: EvaluationConfig
) -> list[float]:
    """The score of each sentence, in per cent."""
    metric = scorer(name, settled_on(evaluation, references))
    statistics = metric._extract_corpus_statistics(list(hypotheses), reference_streams(references))
    return [float(metric._aggregate_and_compute([row]).score) for row in statistics]


def exact_match(hypotheses: Sequence[str], references: Sequence[Sequence[str]], evaluation: EvaluationConfig) -> float:
    """Share of hypotheses that equal one of their references, from 0 to 1."""
    cased: Callable[[str], str] = str.lower if evaluation.lowercase else str
    matches = (cased(text) in map(cased, texts) for text, texts in zip(hypotheses, references, strict=True))
    return sum(matches) / len(references)


def four_grams(references: Sequence[Sequence[str]], evaluation: EvaluationConfig) -> float:
    """Share of sentences with a reference of at least four tokens; BLEU means little where it is small.

    Args:
        references: one or more for each sentence.
        evaluation: settled.
    """
    tokenize = scorer("bleu", evaluation).tokenizer
    return sum(any(len(tokenize(text).split()) >= _ORDER for text in texts) for texts in references) / len(references)


def note_on_ngrams(share: float) -> str:
    """What to say of a BLEU where this share of the sentences has references of four tokens."""
    if share >= 0.5:
        return ""
    return f"no 4-grams in {1 - share:.0%} of the references" if share else "no 4-grams"


def reference_streams(references: Sequence[Sequence[str]]) -> Any:
    """References in sacreBLEU's layout: stream r holds reference r of each hypothesis, None where there is none."""
    most = max(map(len, references))
    return [[texts[r] if r < len(texts) else None for texts in references] for r in range(most)]


def _resampled_scores(metric: Any, statistics: Sequence[Any]) -> list[float]:
    """Scores of as many sentences drawn with replacement, the same that sacreBLEU's own bootstrap draws."""
    rows, chance = np.array(statistics, dtype=np.float64), np.random.default_rng(_SEED)
    draws = (chance.choice(len(rows), len(rows)) for _ in range(_BOOTSTRAP_SAMPLES))
    # Plain numbers: JSON holds no others.
    return [metric._compute_score_from_stats(rows[draw].sum(0).tolist()).score for draw in draws]
