"""The order of an epoch's batches, and their shapes.

Shapes: ``N`` pairs of the corpus.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from seq2seq.corpus.batching import Shape
from seq2seq.corpus.padding import IntArray, Lengths

# With ``shapes`` lengths are rounded up to a multiple of 2 up to this, of 4 above, and rows to a multiple of 8. Coarser
# steps give half as many shapes but pad twice as much; docs/log.md has the figures.
_SHORT = 16
_ROWS = 8
# A batch that is not whole has its rows rounded up to as many parts of a whole one, so there are few such shapes.
_PARTS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchOrder:
    """The order of an epoch's batches: a pure function of lengths, seed and epoch.

    Pairs are shuffled, cut into pools, sorted by length within their pool and filled into batches up to
    the budget; then the batches of the pool are shuffled. A batch also ends where the source length
    changes, if it is at least half full: rows of one source length need no padding. Because the order depends
    on nothing else, a checkpoint only has to store "epoch 3, batch 1,000".

    With ``shapes`` most batches have one of a few dozen shapes, so that work on them can be recorded
    (:mod:`seq2seq.graphs`): lengths are rounded up, and a batch has as many rows as the budget has room for, even if
    source lengths differ.

    Attributes:
        src_lengths: tokens of each source, (N,).
        tgt_lengths: tokens of each target, (N,).
        batch_tokens: most target tokens in a batch, padding and end marks included.
        batch_sentences: most sentences in a batch; overrides ``batch_tokens`` unless 0.
        seed: of the shuffle.
        pool: pairs sorted together.
        shapes: make batches of few shapes.
    """

    src_lengths: Lengths
    tgt_lengths: Lengths
    batch_tokens: int
    batch_sentences: int = 0
    seed: int
    pool: int = 250_000
    shapes: bool = False

    def pools(self, number: int) -> list[IntArray]:
        """The pools of an epoch, each the indices of its pairs."""
        shuffled = np.random.default_rng((self.seed, number)).permutation(len(self.src_lengths))
        return np.split(shuffled, range(self.pool, len(shuffled), self.pool))

    def fill(self, number: int, place: int, src_lengths: Lengths, tgt_lengths: Lengths) -> list[IntArray]:
        """The batches of one pool of an epoch, each the indices of its pairs within the pool.

        Args:
            number: index of the epoch.
            place: index of the pool in the epoch.
            src_lengths: tokens of each source in the pool, which subword sampling may have changed.
            tgt_lengths: likewise.
        """
        by_length = self._sort(src_lengths, tgt_lengths)
        batches = [by_length[start:end] for start, end in self._cut(src_lengths[by_length], tgt_lengths[by_length])]
        generator = np.random.default_rng((self.seed, number, place))
        return [batches[index] for index in generator.permutation(len(batches))]

    def shape(self, src_lengths: Lengths, tgt_lengths: Lengths) -> Shape:
        """Shape of a batch of pairs of these lengths: no larger than needed, or with ``shapes`` one of a few."""
        rows, src, tgt = len(src_lengths), src_lengths.max() + 1, tgt_lengths.max() + 1
        if self.shapes:
            src, tgt = _rounded(src), _rounded(tgt)
            most = int(self._most_rows(tgt))
            step = max(_ROWS, most // _PARTS // _ROWS * _ROWS)
            rows = min(most, -(-rows // step) * step)
        return Shape(rows, int(src), int(tgt))

    def padding_share(self, number: int = 0) -> float:
        """Share of source and target cells that hold padding instead of tokens, in the first pool of an epoch."""
        pairs = self.pools(number)[0]
        cells = tokens = 0
        for batch in self.fill(number, 0, self.src_lengths[pairs], self.tgt_lengths[pairs]):
            src_lengths, tgt_lengths = self.src_lengths[pairs[batch]], self.tgt_lengths[pairs[batch]]
            shape = self.shape(src_lengths, tgt_lengths)
            cells += shape.rows * (shape.src + shape.tgt)
            tokens += int((src_lengths + 1).sum() + (tgt_lengths + 1).sum())
        return 1 - tokens / cells

    def _sort(self, src_lengths: Lengths, tgt_lengths: Lengths) -> IntArray:
        """Indices of pairs sorted by source length, then by target length."""
        if not self.shapes:
            return np.lexsort((tgt_lengths, src_lengths))
        # Every other source length has its targets backwards, longest first: a batch of two source lengths then has
        # targets of like lengths.
        place = np.unique(_rounded(src_lengths + 1), return_inverse=True)[1]
        return np.lexsort((np.where(place % 2, -tgt_lengths, tgt_lengths), place))

    def _cut(self, src_lengths: Lengths, tgt_lengths: Lengths) -> Iterator[tuple[int, int]]:
        """Start and end of each batch among pairs that are sorted by length."""
        tgt_cells = tgt_lengths.astype(np.int64) + 1
        tgt_cells = _rounded(tgt_cells) if self.shapes else tgt_cells
        start = 0
        while start < len(src_lengths):
            # No batch has more pairs than this, so it is enough to look at so many; no loop over pairs is needed.
            window = slice(start, start + int(self._most_rows(tgt_cells[start])) + 1)
            widest = np.maximum.accumulate(tgt_cells[window])
            most, count = self._most_rows(widest), np.arange(1, len(widest) + 1)
            last = count[1:] > most[1:]
            if not self.shapes:
                cells, budget = count * widest, self.batch_tokens
                if self.batch_sentences:
                    cells, budget = count, self.batch_sentences
                last |= (np.diff(src_lengths[window]) != 0) & (2 * cells[:-1] >= budget)
            ends = np.flatnonzero(last)
            end = start + 1 + int(ends[0]) if len(ends) else len(src_lengths)
            yield start, end
            start = end

    def _most_rows(self, tgt_cells: Any) -> Any:
        """Rows that the budget has room for, given the cells of each."""
        if self.batch_sentences:
            return np.full_like(tgt_cells, self.batch_sentences)
        most = np.maximum(self.batch_tokens // tgt_cells, 1)
        return np.where(most < _ROWS, most, most // _ROWS * _ROWS) if self.shapes else most


def _rounded(cells: Any) -> Any:
    return np.where(cells <= _SHORT, (cells + 1) // 2 * 2, (cells + 3) // 4 * 4)
