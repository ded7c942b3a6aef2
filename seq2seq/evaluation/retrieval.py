"""A test of how much a captioner depends on its picture."""

from collections.abc import Sequence
from typing import TypeVar

from seq2seq.decoding.ensemble import Ensemble
from seq2seq.decoding.scoring import log_probs

Item = TypeVar("Item")


def prefers_own_targets(ensemble: Ensemble, sources: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Share of source pairs for which the model scores the true assignment of targets above the swapped one.

    That is, ``log p(t1 | s1) + log p(t2 | s2) > log p(t2 | s1) + log p(t1 | s2)``. How probable a target is without
    its source, be it short or common, cancels out. Each source is paired with the next, the last with the first;
    only first references count.

    Args:
        ensemble: the model.
        sources: two or more.
        references: one or more for each source.

    Returns:
        The share, ties counting one half; 0.5 for a model that ignores its source.
    """
    targets = [ensemble.vocabularies.tgt.encode(texts[0]) for texts in references]
    own = log_probs(ensemble, sources, targets)
    of_next = log_probs(ensemble, sources, _rotate(targets, 1))
    of_previous = log_probs(ensemble, sources, _rotate(targets, -1))
    true = [first + second for first, second in zip(own, _rotate(own, 1), strict=True)]
    swapped = [first + second for first, second in zip(of_next, _rotate(of_previous, 1), strict=True)]
    wins = sum((a > b) + (a == b) / 2 for a, b in zip(true, swapped, strict=True))
    return wins / len(sources)


def _rotate(items: Sequence[Item], by: int) -> list[Item]:
    """``items`` from index ``by`` on, followed by those before it."""
    return [*items[by:], *items[:by]]
