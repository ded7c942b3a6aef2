"""Targets that are labels: how often each is taken for which."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

# At most so many kinds, and on average so many sentences of each.
_KINDS, _SENTENCES = 50, 4


@dataclass(frozen=True, slots=True)
class Confusion:
    """A confusion table: row i, column j counts the sentences of label i that were taken for label j."""

    labels: tuple[str, ...]
    """Sorted. The columns have one more: outputs that are no label."""
    counts: tuple[tuple[int, ...], ...]
    """(labels, labels + 1)."""
    accuracy: float
    """Share of the sentences on the diagonal, from 0 to 1."""


def are_labels(references: Sequence[Sequence[str]]) -> bool:
    """Whether targets are labels: one word each, of at most 50 kinds, and at least four sentences a kind on average."""
    kinds = {texts[0] for texts in references}
    return (
        all(len(texts) == 1 and len(texts[0].split()) == 1 for texts in references)
        and len(kinds) <= _KINDS
        and len(references) >= _SENTENCES * len(kinds)
    )


def confusion(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Confusion:
    """The confusion table of outputs whose references are labels."""
    labels = tuple(sorted({texts[0] for texts in references}))
    pairs = Counter((texts[0], text) for text, texts in zip(hypotheses, references, strict=True))
    table = []
    for label in labels:
        row = [pairs[label, output] for output in labels]
        total = sum(count for (reference, _), count in pairs.items() if reference == label)
        table.append((*row, total - sum(row)))
    return Confusion(labels, tuple(table), sum(pairs[label, label] for label in labels) / len(references))
