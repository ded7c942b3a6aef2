"""The records that a corpus is made of."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pair:
    """A source text and the text it should become."""

    src: str
    tgt: str


def with_references(pairs: Sequence[Pair], *, grouped: bool) -> tuple[list[str], list[list[str]]]:
    """Sources, and for each of them its references.

    Args:
        pairs: in any order.
        grouped: each source once, with all its targets, as for pictures; else each pair by itself, though its source
            may come again.
    """
    if not grouped:
        return [pair.src for pair in pairs], [[pair.tgt] for pair in pairs]
    targets: dict[str, list[str]] = {}
    for pair in pairs:
        targets.setdefault(pair.src, []).append(pair.tgt)
    return list(targets), list(targets.values())
