"""The records of a corpus."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seq2seq.errors import CorpusError


@dataclass(frozen=True, slots=True)
class Pair:
    """A source text, or the name of an image, and its target text."""

    src: str
    tgt: str


def pair_of(record: Any, src: str, tgt: str, *, where: str) -> Pair:
    """The pair under two keys of a record; dots go deeper: ``translation.en``.

    Raises:
        CorpusError: there is no text under a key; names ``where``.
    """
    sides = []
    for key in (src, tgt):
        value = record
        for step in key.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if not isinstance(value, str):
            keys = sorted(record) if isinstance(record, dict) else type(record).__name__
            raise CorpusError(f"{where}: expected text under {key!r}, found {value!r}; the record has {keys}")
        sides.append(value)
    return Pair(*sides)


def with_references(pairs: Sequence[Pair], *, grouped: bool) -> tuple[list[str], list[list[str]]]:
    """Sources, and the references of each.

    Args:
        pairs: in any order.
        grouped: each source once, with all its targets as references, as for images; else one source with one
            reference for each pair.
    """
    if not grouped:
        return [pair.src for pair in pairs], [[pair.tgt] for pair in pairs]
    targets: dict[str, list[str]] = {}
    for pair in pairs:
        targets.setdefault(pair.src, []).append(pair.tgt)
    return list(targets), list(targets.values())
