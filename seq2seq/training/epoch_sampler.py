"""The token ids of an epoch's batches: those of the corpus, or sampled segmentations of the same text."""

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
    """The pairs of each epoch, batch by batch: a pure function of corpus, seed and epoch.

    With subword sampling a whole pool is segmented before it is cut into batches, so that batches keep to their budget:
    another segmentation may be half as long again.

    Args:
        prepared: the corpus.
        order: pools and batches of an epoch.
        sampling: for :meth:`seq2seq.corpus.subword.Subword.resample`; 0: the ids of the corpus.
        longest: most tokens of a side; a longer sample is dropped for the ids of the corpus.
    """

    def __init__(self, prepared: Prepared, order: BatchOrder, *, sampling: float, longest: int) -> None:
        self.prepared = prepared
        self.order = order
        self.sampling = sampling
        self.longest = longest

    def epoch(self, number: int, start: int = 0) -> "Iterator[tuple[BatchRef, int]]":
        """Batches of an epoch from the ``start``-th on, each with the estimated number of batches in the epoch."""
        pools = self.order.pools(number)
        batches = pairs = 0
        for place, rows in enumerate(pools):
            src, tgt = self._columns(number, place, rows)
            pool_batches = self.order.fill(number, place, src.lengths, tgt.lengths)
            skipped = max(0, start - batches)
            batches, pairs = batches + len(pool_batches), pairs + len(rows)
            estimate = round(batches * len(self.order.src_lengths) / pairs)
            for batch in pool_batches[skipped:]:
                yield BatchRef(src, tgt, batch), estimate

    def _columns(self, number: int, place: int, rows: IntArray) -> "tuple[_Column, _Column]":
        prepared, order = self.prepared, self.order
        src = _Column(prepared.src, rows, order.src_lengths[rows])
        tgt = _Column(prepared.tgt, rows, order.tgt_lengths[rows])
        if self.sampling:
            seed_sampling(int(np.random.SeedSequence((order.seed, number, place)).generate_state(1)[0]))
            if not prepared.pictures:
                src.resample(prepared.vocabularies.src, self.sampling, self.longest)
            tgt.resample(prepared.vocabularies.tgt, self.sampling, self.longest)
        return src, tgt


@dataclass(frozen=True, slots=True)
class BatchRef:
    """A batch of an epoch, whose ids are read on demand: other ranks need other batches."""

    src: "_Column"
    tgt: "_Column"
    rows: IntArray

    def pairs(self) -> Pairs:
        """Reads the ids."""
        return [self.src[int(row)] for row in self.rows], [self.tgt[int(row)] for row in self.rows]


class _Column:
    """One side of a pool: read from the corpus on demand, or resampled all at once."""

    def __init__(self, tokens: TokenColumn, rows: IntArray, lengths: Lengths) -> None:
        self._tokens = tokens
        self._rows = rows
        self._sampled: list[list[int]] = []
        self.lengths = lengths

    def __getitem__(self, place: int) -> list[int]:
        return self._sampled[place] if self._sampled else self._tokens[int(self._rows[place])]

    def resample(self, subword: Subword, sampling: float, longest: int) -> None:
        """Samples another segmentation of every sentence."""
        for row in self._rows:
            ids = self._tokens[int(row)]
            sampled = subword.resample(ids, sampling)
            self._sampled.append(sampled if len(sampled) <= longest else ids)
        self.lengths = np.array([len(ids) for ids in self._sampled], dtype=np.int32)
