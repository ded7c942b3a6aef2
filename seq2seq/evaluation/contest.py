"""Two systems sentence by sentence: who wins how often, and where they differ most."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contest:
    """A system against a baseline, by the scores of single sentences."""

    wins: int
    """Sentences in which the system scores more."""
    ties: int
    losses: int
    gained: Sequence[int]
    """Numbers of the sentences in which it gains most, from 0, the largest gain first."""
    lost: Sequence[int]
    """Numbers of those in which it loses most."""


def contest(
    baseline: Sequence[float], system: Sequence[float], *, higher_is_better: bool = True, most: int = 5
) -> Contest:
    """Compares two systems.

    Args:
        baseline: a score for each sentence.
        system: the same of the other system.
        higher_is_better: False for error rates.
        most: sentences of each kind that are named.
    """
    sign = 1 if higher_is_better else -1
    gains = [sign * (ours - theirs) for theirs, ours in zip(baseline, system, strict=True)]
    # Rounding is no difference.
    wins, losses = ([number for number, gain in enumerate(gains) if side * gain > 1e-9] for side in (1, -1))
    return Contest(
        wins=len(wins),
        ties=len(gains) - len(wins) - len(losses),
        losses=len(losses),
        gained=sorted(wins, key=lambda number: -gains[number])[:most],
        lost=sorted(losses, key=lambda number: gains[number])[:most],
    )
