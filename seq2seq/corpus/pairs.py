"""The records of a corpus."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from seq2seq.errors import CorpusError, shown, warn

# So many records without text, and none with, mean that the keys are wrong: the rest need not be read.
_PATIENCE = 1000


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands in for a record that cannot be read."""

    reason: str
    """What was expected, and what was found."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A source text, or the name of an image, and its target text."""

    src: str
    tgt: str


def pairs_of(records: Iterable[tuple[str, Any]], src: str, tgt: str, dropped: Counter[str]) -> Iterator[Pair]:
    """The pairs under two keys of records; dots go deeper: ``translation.en``.

    Records without text there (null, a number, a list) are left out; a warning at the end counts them and names the
    first.

    Args:
        records: each after a description of where it stands.
        src: key of the source.
        tgt: key of the target.
        dropped: counts the records that are left out.

    Raises:
        CorpusError: no record has text under both keys; names the first one's keys.
    """
    kept, left_out, first = 0, 0, ""
    for where, record in records:
        sides = [_value(record, key) for key in (src, tgt)]
        if all(isinstance(side, str) for side in sides):
            kept += 1
            # JSON can spell lone surrogates, which no file can hold.
            yield Pair(*(side.encode("utf-8", "replace").decode("utf-8") for side in sides))
            continue
        left_out += 1
        if not first:
            key, value = next((key, side) for key, side in zip((src, tgt), sides, strict=True) if type(side) is not str)
            keys = shown(sorted(record)) if isinstance(record, dict) else type(record).__name__
            reason = f"expected text under {key!r}, found {shown(value)}; the record has {keys}"
            first = f"{where}: {record.reason if isinstance(record, Unreadable) else reason}"
        if left_out == _PATIENCE and not kept:
            break
    if left_out and not kept:
        raise CorpusError(f"{first}; set data.src and data.tgt to keys with text")
    if left_out:
        dropped["no text"] += left_out
        what = "1 record without text is" if left_out == 1 else f"{left_out:,} records without text are"
        warn(f"{what} left out, the first is {first}")


def _value(record: Any, key: str) -> Any:
    if isinstance(record, dict) and key in record:
        return record[key]
    for step in key.split("."):
        record = record.get(step) if isinstance(record, dict) else None
    return record


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
