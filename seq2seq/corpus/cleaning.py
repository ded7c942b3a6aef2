"""Which pairs are worth learning from, and which are kept back to test on."""

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Iterator

from seq2seq.config import DataConfig
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.subword import normalise
from seq2seq.errors import CorpusError

# Below this many characters a side's length says nothing about whether it is a translation.
_SHORT = 20


def clean(pairs: Iterable[Pair], data: DataConfig, dropped: Counter[str]) -> Iterator[Pair]:
    """Normalised pairs without empty, lopsided or identical ones; ``dropped`` counts those by reason."""
    for raw in pairs:
        pair = Pair(raw.src if data.reads_images else normalise(raw.src), normalise(raw.tgt))
        if reason := _fault(pair, data):
            dropped[reason] += 1
        else:
            yield pair


def _fault(pair: Pair, data: DataConfig) -> str:
    if not pair.src or not pair.tgt:
        return "empty side"
    if data.reads_images:  # a file's name says nothing about its caption
        return ""
    if data.drop_identical and pair.src == pair.tgt:
        return "identical sides"
    shorter, longer = sorted((len(pair.src), len(pair.tgt)))
    if longer > max(_SHORT, shorter) * data.max_ratio:
        return "length ratio"
    return ""


def hold_out(pairs: Iterable[Pair], sizes: tuple[int, int]) -> tuple[list[Pair], list[Pair]]:
    """Cuts validation and test parts out of a corpus, the same ones each time.

    The parts are chosen by *source sentence*: those whose hash is smallest. Each gives its first pair;
    its other pairs may be in no other part, so training must leave out all pairs with these sources.

    Args:
        pairs: cleaned.
        sizes: sentences of the validation and of the test part.

    Returns:
        The two parts.

    Raises:
        CorpusError: too few different sources.
    """
    wanted = sum(sizes)
    if not wanted:
        return [], []
    # A max-heap (by negated hash) of the smallest hashes so far; ``first`` holds the pair of each.
    heap: list[tuple[int, str]] = []
    first: dict[str, Pair] = {}
    for pair in pairs:
        key = -int.from_bytes(hashlib.blake2b(pair.src.encode(), digest_size=8).digest())
        if pair.src in first or (len(heap) == wanted and key <= heap[0][0]):
            continue
        first[pair.src] = pair
        heapq.heappush(heap, (key, pair.src))
        if len(heap) > wanted:
            del first[heapq.heappop(heap)[1]]
    if len(heap) < wanted:
        raise CorpusError(
            f"{len(heap)} different sources are too few to cut {sizes[0]} for validation and {sizes[1]} for "
            "testing: bring more, or set data.validation_size and data.test_size lower"
        )
    chosen = [first[source] for _, source in sorted(heap, reverse=True)]
    return chosen[: sizes[0]], chosen[sizes[0] :]
