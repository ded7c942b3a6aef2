"""Which token ids an epoch shows of the corpus: those that are kept, or other ways to write the same text."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from seq2seq.corpus.batching import BatchOrder, IntArray, Lengths
from seq2seq.corpus.prepared import Prepared
from seq2seq.corpus.subword import Subword, seed_sampling
from seq2seq.corpus.token_file import TokenColumn

Pairs = tuple[list[list[int]], list[list[int]]]
"""Sources and targets of a batch."""


class EpochSampler:
    """The pairs of each epoch, batch by batch: a function of corpus, seed and epoch alone.

    With subword sampling a pool is drawn before it is cut into batches, so that these keep to their budget:
    another way to write a sentence may be half as long again.

    Args:
        prepared: the corpus.
        order: what comes together, and when.
        sampling: as :meth:`seq2seq.corpus.subword.Subword.resample` takes it; 0: the ids that are kept.
        longest: most tokens of a side; what is drawn longer is left as it was.
    """

    def __init__(self, prepared: Prepared, order: BatchOrder, *, sampling: float, longest: int) -> None:
        self.prepared = prepared
        self.order = order
        self.sampling = sampling
        self.longest = longest

    def epoch(self, number: int, start: int = 0) -> "Iterator[tuple[BatchRef, int]]":
        """Batches of an epoch from the ``start``-th on, each with how many there are, as far as is known."""
        pools = self.order.pools(number)
        batches = rows_seen = 0
        for place, rows in enumerate(pools):
            src, tgt = self._columns(number, place, rows)
            filled = self.order.fill(number, place, src.lengths, tgt.lengths)
            batches, rows_seen = batches + len(filled), rows_seen + len(rows)
            expected = round(batches * len(self.order.src_lengths) / rows_seen)
            skipped = max(0, start - (batches - len(filled)))
            for batch in filled[skipped:]:
                yield BatchRef(src, tgt, batch), expected

    def _columns(self, number: int, place: int, rows: IntArray) -> "tuple[_Column, _Column]":
        prepared, order = self.prepared, self.order
        src = _Column(prepared.src, rows, order.src_lengths[rows])
        tgt = _Column(prepared.tgt, rows, order.tgt_lengths[rows])
        if self.sampling:
            seed_sampling(int(np.random.SeedSequence((order.seed, number, place)).generate_state(1)[0]))
            if not prepared.images:
                src.draw(prepared.vocabularies.src, self.sampling, self.longest)
            tgt.draw(prepared.vocabularies.tgt, self.sampling, self.longest)
        return src, tgt


@dataclass(frozen=True, slots=True)
class BatchRef:
    """A batch of an epoch. Its ids are read only when they are asked for: most are another process's."""

    src: "_Column"
    tgt: "_Column"
    rows: IntArray

    def pairs(self) -> Pairs:
        """The ids."""
        return [self.src[int(row)] for row in self.rows], [self.tgt[int(row)] for row in self.rows]


class _Column:
    """One side of a pool: read when it is needed, or drawn at once."""

    def __init__(self, kept: TokenColumn, rows: IntArray, lengths: Lengths) -> None:
        self._kept = kept
        self._rows = rows
        self._drawn: list[list[int]] = []
        self.lengths = lengths

    def __getitem__(self, place: int) -> list[int]:
        return self._drawn[place] if self._drawn else self._kept[int(self._rows[place])]

    def draw(self, subword: Subword, sampling: float, longest: int) -> None:
        """Writes every sentence in another way."""
        for row in self._rows:
            ids = self._kept[int(row)]
            sampled = subword.resample(ids, sampling)
            self._drawn.append(sampled if len(sampled) <= longest else ids)
        self.lengths = np.array([len(ids) for ids in self._drawn], dtype=np.int32)
