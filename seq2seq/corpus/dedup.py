"""The cleaned training part as text on disk, so that the corpus is read only once.

A hub data set is a download; holding out test sentences, counting words and encoding each need all of it. Memory
grows by 14 bytes a pair: a digest to find duplicates, a mark, and what sorting takes.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import compress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from seq2seq.corpus.pairs import Pair

Marks = npt.NDArray[np.bool_]

_DIGEST = 8
# Digests are compared one share after another, so that sorting needs little memory.
_SHARES = 16


class Gathered:
    """Pairs in a text file, some of them dropped; iterates over the others, in order, any number of times."""

    def __init__(self, path: Path, kept: Marks) -> None:
        self._path = path
        self._kept = kept

    def __len__(self) -> int:
        return int(np.count_nonzero(self._kept))

    def __iter__(self) -> Iterator[Pair]:
        with self._path.open("rb") as lines:
            for line in compress(lines, self._kept):
                src, _, tgt = line[:-1].decode().partition("\t")
                yield Pair(src, tgt)

    def without(self, reason: str, unwanted: Callable[[Pair], bool], dropped: Counter[str]) -> "Gathered":
        """Drops unwanted pairs; ``dropped`` counts them under ``reason``."""
        wanted = np.fromiter((not unwanted(pair) for pair in self), dtype=np.bool_, count=len(self))
        kept = self._kept.copy()
        kept[kept] = wanted
        _count(~wanted, reason, dropped)
        return Gathered(self._path, kept)

    def sample(self, count: int) -> "Gathered":
        """At most ``count`` of the pairs, sampled uniformly, the same ones each time."""
        if len(self) <= count:
            return self
        sampled = np.random.default_rng(0).choice(np.flatnonzero(self._kept), count, replace=False, shuffle=False)
        kept = np.zeros_like(self._kept)
        kept[sampled] = True
        return Gathered(self._path, kept)


def gather(pairs: Iterable[Pair], path: Path, *, drop_duplicates: bool, dropped: Counter[str]) -> Gathered:
    """Writes a stream of cleaned pairs to a file.

    Args:
        pairs: without tabs and line feeds.
        path: of the file.
        drop_duplicates: keep only the first of equal pairs.
        dropped: counts the others.
    """
    digests = bytearray()
    with path.open("wb") as sink:
        for pair in pairs:
            line = f"{pair.src}\t{pair.tgt}\n".encode()
            sink.write(line)
            digests += hashlib.blake2b(line, digest_size=_DIGEST).digest()
    kept = np.ones(len(digests) // _DIGEST, dtype=np.bool_)
    if drop_duplicates:
        kept = first_of_equals(np.frombuffer(digests, dtype=np.uint64))
        _count(~kept, "duplicate", dropped)
    return Gathered(path, kept)


def _count(marks: Marks, reason: str, dropped: Counter[str]) -> None:
    """Counts marks under a reason; a reason that never occurred gets no entry."""
    if number := int(np.count_nonzero(marks)):
        dropped[reason] += number


def first_of_equals(digests: npt.NDArray[np.uint64]) -> Marks:
    """True where a value occurs for the first time, (N,)."""
    first = np.zeros(len(digests), dtype=np.bool_)
    shares = digests.view(np.uint8)[::_DIGEST] % _SHARES
    for share in range(_SHARES):
        places = np.flatnonzero(shares == share)
        first[places[np.unique(digests[places], return_index=True)[1]]] = True
    return first
