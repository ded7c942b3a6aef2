"""Whether two systems differ by more than chance: the paired tests of sacreBLEU, for corpora of any size.

They draw the random numbers that ``sacrebleu --paired-bs`` and ``--paired-ar`` draw, and give their p-values. sacreBLEU
holds all samples in memory at once, which for 100,000 sentences takes gigabytes; here they come in pieces.
"""

from dataclasses import dataclass

import numpy as np

from seq2seq.evaluation.statistics import Numbers, Statistics, score_of

# sacreBLEU's, unless SACREBLEU_SEED says otherwise.
_SEED, _SAMPLES, _TRIALS = 12345, 1000, 10_000
# NumPy makes 32 coins of one random number, so pieces of a multiple of 32 rows are what one big draw would have been.
_COINS = 32


@dataclass(frozen=True, slots=True)
class Significance:
    """A system's score minus a baseline's, and the probability that chance makes a difference as large."""

    difference: float
    bootstrap: float
    """p-value of the paired bootstrap."""
    randomisation: float
    """p-value of paired approximate randomisation."""


def compare(baseline: Statistics, system: Statistics) -> Significance | None:
    """Both tests; None where the scores are equal, which needs no test.

    sacreBLEU gives equal scores the smallest p-value there is.

    Args:
        baseline: of a metric.
        system: of the same metric over the same sentences.
    """
    difference = system.score - baseline.score
    if not difference:
        return None
    return Significance(difference, paired_bootstrap(baseline, system), paired_randomisation(baseline, system))


def paired_bootstrap(baseline: Statistics, system: Statistics, *, samples: int = _SAMPLES, seed: int = _SEED) -> float:
    """p-value of the paired bootstrap (Koehn 2004), two-sided: sentences are drawn with replacement.

    Args:
        baseline: of a metric.
        system: of the same metric over the same sentences.
        samples: how many times.
        seed: of the draws.
    """
    count, chance = len(system.rows), np.random.default_rng(seed)
    differences = np.empty(samples)
    for sample in range(samples):
        times = np.bincount(chance.choice(count, count), minlength=count).astype(np.float64)
        # In sacreBLEU's precision, so that ties are its ties.
        ours, theirs = (score_of(side.metric, (times @ side.rows).astype(np.float32)) for side in (system, baseline))
        differences[sample] = abs(ours - theirs)
    return _p_value(differences - differences.mean(), baseline, system)


def paired_randomisation(
    baseline: Statistics, system: Statistics, *, trials: int = _TRIALS, seed: int = _SEED
) -> float:
    """p-value of paired approximate randomisation (Riezler & Maxwell 2005), two-sided.

    Of each sentence the two outputs are exchanged or not, by the toss of a coin.

    Args:
        baseline: of a metric.
        system: of the same metric over the same sentences.
        trials: how many times.
        seed: of the coins.
    """
    count, chance = len(system.rows), np.random.default_rng(seed)
    total, gain = (baseline.rows + system.rows).sum(0), baseline.rows - system.rows
    differences: list[float] = []
    for start in range(0, trials, _COINS):
        coins = chance.integers(2, size=(min(_COINS, trials - start), count), dtype=bool)
        for mixed in system.rows.sum(0) + coins.astype(np.float64) @ gain:
            sides = (score_of(system.metric, counts) for counts in (mixed, total - mixed))
            differences.append(abs(next(sides) - next(sides)))
    return _p_value(np.array(differences), baseline, system)


def _p_value(chance: Numbers, baseline: Statistics, system: Statistics) -> float:
    """Share of differences that are larger than the real one, which counts as one of them."""
    larger = np.sum(chance > abs(baseline.score - system.score))
    return float((larger + 1) / (len(chance) + 1))
