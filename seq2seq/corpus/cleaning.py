"""Which pairs are worth learning from, and which are held out for validation and testing."""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from seq2seq.config import DataConfig, SubwordConfig
from seq2seq.corpus.normalise import normalise
from seq2seq.corpus.pairs import Pair
from seq2seq.errors import CorpusError

# A side of fewer characters counts as this long in the length ratio: short texts vary too much in length.
_SHORT = 20


def clean(pairs: Iterable[Pair], data: DataConfig, subword: SubwordConfig, dropped: Counter[str]) -> Iterator[Pair]:
    """Normalises pairs and drops those with empty, identical or lopsided sides; ``dropped`` counts them by reason."""
    for raw in pairs:
        pair = normalised(raw, data, subword)
        if reason := _fault(pair, data):
            dropped[reason] += 1
        else:
            yield pair


def normalised(pair: Pair, data: DataConfig, subword: SubwordConfig) -> Pair:
    """The pair as models read and write it; the name of a picture stays as it is."""
    return Pair(pair.src if data.reads_images else normalise(pair.src, subword), normalise(pair.tgt, subword))


def _fault(pair: Pair, data: DataConfig) -> str:
    if not pair.src or not pair.tgt:
        return "empty side"
    if data.reads_images:  # a file's name says nothing about its caption
        return ""
    if data.drop_identical and pair.src == pair.tgt:
        return "identical sides"
    return "length ratio" if length_ratio(pair) > data.max_ratio else ""


def length_ratio(pair: Pair) -> float:
    """Characters of the longer side for each of the shorter, which counts as at least 20."""
    shorter, longer = sorted((len(pair.src), len(pair.tgt)))
    return longer / max(_SHORT, shorter)


def hold_out(pairs: Iterable[Pair], sizes: tuple[int, int], *, every: bool = False) -> tuple[list[Pair], list[Pair]]:
    """Selects a validation and a test part, the same ones each time.

    The parts are selected by *source sentence*: those with the smallest hashes. Training must leave out all pairs with
    these sources.

    Args:
        pairs: cleaned.
        sizes: sources of the validation and of the test part.
        every: each source contributes all its pairs, which follow one another; else its first one only.

    Returns:
        The two parts.

    Raises:
        CorpusError: too few different sources.
    """
    total = sum(sizes)
    if not total:
        return [], []
    # A max-heap (by negated hash) of the smallest hashes so far; ``held`` has the pairs of each.
    heap: list[tuple[int, str]] = []
    held: dict[str, list[Pair]] = {}
    for pair in pairs:
        key = -int.from_bytes(hashlib.blake2b(pair.src.encode(), digest_size=8).digest())
        if pair.src in held:
            held[pair.src] += [pair] if every else []
        elif len(heap) < total or key > heap[0][0]:
            held[pair.src] = [pair]
            heapq.heappush(heap, (key, pair.src))
            if len(heap) > total:
                del held[heapq.heappop(heap)[1]]
    if len(heap) < total:
        raise CorpusError(
            f"too few different sources ({len(heap)}) to cut {sizes[0]} for validation and {sizes[1]} for testing: "
            "bring more, or set data.validation_size and data.test_size lower"
        )
    selected = [held[source] for _, source in sorted(heap, reverse=True)]
    validation, test = selected[: sizes[0]], selected[sizes[0] :]
    return [pair for own in validation for pair in own], [pair for own in test for pair in own]


def dropped_in_words(dropped: Mapping[str, int]) -> str:
    """Counts of what was left out, each before its reason."""
    return ", ".join(f"{count:,} {reason}" for reason, count in dropped.items()) or "none"
