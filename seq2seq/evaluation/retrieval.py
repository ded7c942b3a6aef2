"""Whether a captioner looks at the picture at all, or would say the same of any."""

from collections.abc import Sequence
from typing import TypeVar

from seq2seq.decoding.models import Ensemble
from seq2seq.decoding.scoring import log_probs

Item = TypeVar("Item")


def prefers_own_targets(ensemble: Ensemble, sources: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """How often the model would rather leave the targets of two sources as they are than swap them.

    Leave: ``log p(t1 | s1) + log p(t2 | s2) > log p(t2 | s1) + log p(t1 | s2)``. How likely a target is by itself, be
    it short or common, is on both sides and has no say. Two neighbours make a pair, the last source and the first
    another; the first reference of each takes part.

    Args:
        ensemble: the model.
        sources: two or more.
        references: one or more for each.

    Returns:
        A share; a model that does not look gets 0.5.
    """
    own = [ensemble.vocabularies.tgt.encode(texts[0]) for texts in references]
    leave = log_probs(ensemble, sources, own)
    of_next = log_probs(ensemble, sources, _turned(own, 1))
    of_previous = log_probs(ensemble, sources, _turned(own, -1))
    left = [one + other for one, other in zip(leave, _turned(leave, 1), strict=True)]
    swapped = [one + other for one, other in zip(of_next, _turned(of_previous, 1), strict=True)]
    wins = sum((a > b) + (a == b) / 2 for a, b in zip(left, swapped, strict=True))
    return wins / len(sources)


def _turned(items: Sequence[Item], by: int) -> list[Item]:
    """From the item ``by`` places further on, round to the one before it."""
    return [*items[by:], *items[:by]]
