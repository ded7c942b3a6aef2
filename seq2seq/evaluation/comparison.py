"""Several systems by every metric: scores, and what of the differences to the first system is more than chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import stdev
from typing import Any

from tqdm import tqdm

from seq2seq.config import EvaluationConfig
from seq2seq.config.evaluation import MetricName
from seq2seq.errors import warn
from seq2seq.evaluation.health import Split
from seq2seq.evaluation.significance import Significance, compare
from seq2seq.evaluation.statistics import Statistics, mean_statistics, statistics_of
from seq2seq.evaluation.systems import Systems
from seq2seq.metrics.scores import Score, four_grams, scorer, settled_on
from seq2seq.metrics.tokenisers import require_tokeniser

# TER looks for shifts of words in a time that grows with the square of a line's length: of such lines for hours.
_LONGEST_FOR_TER = 10_000


@dataclass(frozen=True, slots=True)
class Result:
    """What one metric says of one system."""

    statistics: Statistics
    """Of several runs the mean in each sentence."""
    score: Score
    """Of these statistics, with its interval."""
    runs: Sequence[float]
    """The score of each run."""
    significance: Significance | None
    """Of the difference to the first system; None for the first one, and for one with the same score."""

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the runs' scores; None of a single run."""
        return stdev(self.runs) if len(self.runs) > 1 else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Systems with their results."""

    systems: Systems
    """With settings in which no ``auto`` is left."""
    results: Mapping[MetricName, Sequence[Result]]
    """Of each metric of the settings and, always, of chrF2: one for each system."""
    main_metric: MetricName
    """BLEU where it is chosen and means something, else chrF2."""


def compare_systems(systems: Systems) -> Comparison:
    """Every metric of every system.

    The tests ask whether other test sentences would show the difference too. For a system of several runs they take the
    mean of their counts in each sentence, so they do not ask whether other seeds would: the deviation tells that.

    Args:
        systems: with any settings.

    Raises:
        ConfigError: the tokeniser is not installed.
    """
    require_tokeniser(systems.evaluation.tokenize)
    evaluation = settled_on(systems.evaluation, systems.references)
    longest = max(map(len, _texts(systems)))
    if "ter" in evaluation.metrics and longest > _LONGEST_FOR_TER:
        warn(f"TER is left out: it would take too long on a line of {longest:,} characters")
        evaluation = replace(evaluation, metrics=tuple(name for name in evaluation.metrics if name != "ter"))
    settled = replace(systems, evaluation=evaluation)
    metrics = tqdm(dict.fromkeys((*evaluation.metrics, "chrf")), desc="comparing", delay=2, disable=None, leave=False)
    found = {name: _results(scorer(name, evaluation), settled) for name in metrics}
    # As in validation: half of the sentences need 4-grams.
    means = "bleu" in found and four_grams(systems.references, evaluation) >= 0.5
    return Comparison(settled, found, "bleu" if means else "chrf")


def word_splitter(evaluation: EvaluationConfig) -> Split:
    """Text → words, as BLEU counts them.

    Args:
        evaluation: with a tokeniser that is not ``auto``.
    """
    tokenize = scorer("bleu", evaluation).tokenizer
    return lambda text: tokenize(text).split()


def _results(metric: Any, systems: Systems) -> list[Result]:
    found: list[Result] = []
    for system in systems.systems:
        runs = [statistics_of(metric, outputs, systems.references) for outputs in system.outputs]
        mean = mean_statistics(runs)
        significance = compare(found[0].statistics, mean) if found else None
        found.append(Result(mean, mean.interval(), [one.score for one in runs], significance))
    return found


def _texts(systems: Systems) -> list[str]:
    outputs = [text for system in systems.systems for texts in system.outputs for text in texts]
    return [*outputs, *(text for texts in systems.references for text in texts)]
