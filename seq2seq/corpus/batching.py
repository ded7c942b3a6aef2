"""Batches: token ids padded to rectangles, and the order of an epoch's batches.

Shapes: ``B`` batch, ``S`` source length, ``T`` target length, ``C`` channels, ``N`` pairs of the corpus.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seq2seq.corpus.subword import BOS, EOS, PAD

IntArray = npt.NDArray[np.int64]
Lengths = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Batch:
    """A rectangle of sentence pairs."""

    src: Tensor
    """Source ids with end mark, (B, S), padding at the end; of images features (B, S, C) or pixels
    (B, 3, height, width)."""
    src_lengths: Tensor
    """Real tokens in each row of ``src``, (B,)."""
    tgt_in: Tensor
    """Decoder inputs: begin mark and target, (B, T)."""
    tgt_out: Tensor
    """Expected outputs: target and end mark, (B, T)."""
    full: bool = False
    """True if every source fills its row, so that a CPU need not look for padding; False is right for any lengths."""

    @property
    def src_mask(self) -> Tensor:
        """True at real source positions, (B, S)."""
        positions = torch.arange(self.src.shape[1], device=self.src.device)
        return positions < self.src_lengths.unsqueeze(1)

    def to(self, device: torch.device) -> "Batch":
        """The batch on ``device``."""
        if device.type == self.src.device.type:
            return self
        src, src_lengths, tgt_in, tgt_out = (
            tensor.pin_memory().to(device, non_blocking=True)
            for tensor in (self.src, self.src_lengths, self.tgt_in, self.tgt_out)
        )
        return Batch(src, src_lengths, tgt_in, tgt_out, self.full)


def collate(
    sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]] | None = None, *, reverse: bool
) -> Batch:
    """Pads sentences to a batch; the one place where sources are reversed.

    With ``reverse`` the source ``[1, 2, 3]`` becomes ``3 2 1 </s>``: its first word comes to stand next to the
    translation's first word (Sutskever et al. 2014, §3.3). Sources are reversed before they are padded.

    Args:
        sources: token ids of each sentence, without marks.
        targets: likewise; None if there are only sources to translate.
        reverse: reverse each source.
    """
    rows = [[*(source[::-1] if reverse else source), EOS] for source in sources]
    lengths = [len(row) for row in rows]
    full = min(lengths) == max(lengths)
    return Batch(_pad(rows), torch.tensor(lengths), *_pad_targets(len(rows), targets), full=full)


def collate_images(images: Tensor, targets: Sequence[Sequence[int]] | None = None) -> Batch:
    """A batch of images, features (B, S, C) or pixels (B, 3, height, width), which need no padding."""
    lengths = torch.full((len(images),), images.shape[1])
    return Batch(images, lengths, *_pad_targets(len(images), targets), full=True)


def _pad_targets(count: int, targets: Sequence[Sequence[int]] | None) -> tuple[Tensor, Tensor]:
    """``tgt_in`` and ``tgt_out``."""
    targets = [[]] * count if targets is None else targets
    return _pad([[BOS, *target] for target in targets]), _pad([[*target, EOS] for target in targets])


def _pad(rows: Sequence[Sequence[int]]) -> Tensor:
    # By way of numpy: torch takes seven times as long to read a list of padded lists.
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    padded = np.full((len(rows), lengths.max()), PAD)
    real = np.arange(padded.shape[1]) < lengths[:, None]
    padded[real] = np.fromiter(chain.from_iterable(rows), np.int64, lengths.sum())
    return torch.from_numpy(padded)


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchOrder:
    """The order of an epoch's batches: a pure function of lengths, seed and epoch.

    Pairs are shuffled, cut into pools, sorted by length within their pool and filled into batches up to
    the budget; then the batches of the pool are shuffled. A batch also ends where the source length
    changes, if it is at least half full: rows of one source length need no padding. Because the order depends
    on nothing else, a checkpoint only has to store "epoch 3, batch 1,000".

    Attributes:
        src_lengths: tokens of each source, (N,).
        tgt_lengths: tokens of each target, (N,).
        batch_tokens: most target tokens in a batch, padding and end marks included.
        batch_sentences: most sentences in a batch; overrides ``batch_tokens`` unless 0.
        seed: of the shuffle.
        pool: pairs sorted together.
    """

    src_lengths: Lengths
    tgt_lengths: Lengths
    batch_tokens: int
    batch_sentences: int = 0
    seed: int
    pool: int = 250_000

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
        by_length = np.lexsort((tgt_lengths, src_lengths))
        batches = [by_length[start:end] for start, end in self._cut(src_lengths[by_length], tgt_lengths[by_length])]
        generator = np.random.default_rng((self.seed, number, place))
        return [batches[index] for index in generator.permutation(len(batches))]

    def _cut(self, src_lengths: Lengths, tgt_lengths: Lengths) -> Iterator[tuple[int, int]]:
        """Start and end of each batch among pairs that are sorted by length."""
        tgt_cells = tgt_lengths.astype(np.int64) + 1
        start = 0
        while start < len(src_lengths):
            # No batch has more pairs than this, so it is enough to look at so many; no loop over pairs is needed.
            most = self.batch_sentences or self.batch_tokens // int(tgt_cells[start])
            window = slice(start, start + most + 2)
            count = np.arange(1, len(src_lengths[window]) + 1)
            if self.batch_sentences:
                cells, budget = count, self.batch_sentences
            else:
                cells, budget = count * np.maximum.accumulate(tgt_cells[window]), self.batch_tokens
            new_length = (np.diff(src_lengths[window]) != 0) & (2 * cells[:-1] >= budget)
            ends = np.flatnonzero((cells[1:] > budget) | new_length)
            end = start + 1 + int(ends[0]) if len(ends) else len(src_lengths)
            yield start, end
            start = end

    def padding_share(self, number: int = 0) -> float:
        """Share of source and target cells that hold padding instead of tokens, in the first pool of an epoch."""
        rows = self.pools(number)[0]
        cells = tokens = 0
        for batch in self.fill(number, 0, self.src_lengths[rows], self.tgt_lengths[rows]):
            for lengths in (self.src_lengths[rows[batch]] + 1, self.tgt_lengths[rows[batch]] + 1):
                cells += len(batch) * int(lengths.max())
                tokens += int(lengths.sum())
        return 1 - tokens / cells
