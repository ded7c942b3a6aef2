"""Whether a model's probabilities can be believed: how often its most probable token is right, by its probability."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class ProbabilityBin:
    """The tokens whose probability lies in one range."""

    low: float
    high: float
    tokens: int
    confidence: float
    """Their mean probability."""
    accuracy: float
    """Share of them that are right."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Probability against accuracy."""

    bins: Sequence[ProbabilityBin]
    """Those that hold tokens, in ascending order."""
    error: float
    """Expected calibration error: mean distance of confidence and accuracy over all tokens (Guo et al. 2017, eq. 3)."""


def calibration(probabilities: Sequence[float], right: Sequence[bool], bins: int = 10) -> Calibration:
    """Calibration of a model's guesses, in bins of equal width.

    Args:
        probabilities: of the most probable token at each place, from 0 to 1; at least one.
        right: whether it is the reference's.
        bins: how many.
    """
    values, hits = np.array(probabilities), np.array(right)
    if not len(values):
        raise ValueError("no tokens: there is no calibration")
    places = np.minimum((values * bins).astype(int), bins - 1)
    found = []
    for place in range(bins):
        mask = places == place
        if mask.any():
            confidence, accuracy = float(values[mask].mean()), float(hits[mask].mean())
            found.append(ProbabilityBin(place / bins, (place + 1) / bins, int(mask.sum()), confidence, accuracy))
    error = sum(one.tokens * abs(one.confidence - one.accuracy) for one in found) / len(values)
    return Calibration(found, error)
