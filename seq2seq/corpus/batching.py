"""Batches: token ids padded to rectangles, and the order in which training sees them.

Shapes: ``B`` batch, ``S`` source length, ``T`` target length.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seq2seq.corpus.subword import BOS, EOS, PAD

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """A rectangle of sentence pairs."""

    src: Tensor
    """Source ids with their end mark, (B, S), padding at the end."""
    src_lengths: Tensor
    """Real tokens in each row of ``src``, (B,), always on the CPU: kernels need them there."""
    tgt_in: Tensor
    """What the decoder reads: begin mark and target, (B, T)."""
    tgt_out: Tensor
    """What it should say: target and end mark, (B, T)."""

    @property
    def src_mask(self) -> Tensor:
        """True at real source positions, (B, S)."""
        positions = torch.arange(self.src.shape[1], device=self.src.device)
        return positions < self.src_lengths.to(self.src.device, non_blocking=True).unsqueeze(1)

    def to(self, device: torch.device) -> "Batch":
        """The batch on ``device``."""
        if device.type == "cpu":
            return self
        src, tgt_in, tgt_out = (
            tensor.pin_memory().to(device, non_blocking=True) for tensor in (self.src, self.tgt_in, self.tgt_out)
        )
        return Batch(src, self.src_lengths, tgt_in, tgt_out)


def collate(
    sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]] | None = None, *, reverse: bool
) -> Batch:
    """Pads sentences to a batch; the one place where sources are reversed.

    ``[1, 2, 3]`` is read as ``3 2 1 </s>`` where ``reverse`` is set: its first word comes to stand next
    to the translation's first word (Sutskever et al. 2014, §3.3). Reversal is done before padding.

    Args:
        sources: token ids of each sentence, without marks.
        targets: likewise; None when there is nothing to learn from, only a source to translate.
        reverse: read each source back to front.
    """
    rows = [[*(source[::-1] if reverse else source), EOS] for source in sources]
    answers = [[]] * len(rows) if targets is None else targets
    return Batch(
        src=_pad(rows),
        src_lengths=torch.tensor([len(row) for row in rows]),
        tgt_in=_pad([[BOS, *answer] for answer in answers]),
        tgt_out=_pad([[*answer, EOS] for answer in answers]),
    )


def _pad(rows: Sequence[Sequence[int]]) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*row, *([PAD] * (width - len(row)))] for row in rows])


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchOrder:
    """The order in which an epoch's pairs are seen: a pure function of lengths, seed and epoch.

    Pairs are shuffled, cut into pools, sorted by length within their pool and filled into batches up to
    the budget; then the batches of the pool are shuffled. A batch closes early where the source length
    changes, if it is at least half full: rows of one source length need no padding and keep the encoder
    on its fused kernel. Because nothing else enters, "epoch 3, batch 1,000" is all that a checkpoint has
    to remember.

    Attributes:
        src_lengths: tokens of each source, (N,).
        tgt_lengths: tokens of each target, (N,).
        batch_tokens: most target tokens in a batch, padding and end marks included.
        batch_sentences: most sentences in a batch; overrides ``batch_tokens`` unless 0.
        seed: of the shuffle.
        pool: pairs sorted together.
    """

    src_lengths: npt.NDArray[np.int32]
    tgt_lengths: npt.NDArray[np.int32]
    batch_tokens: int
    batch_sentences: int = 0
    seed: int
    pool: int = 250_000

    def epoch(self, number: int) -> list[IntArray]:
        """The batches of an epoch, each the indices of its pairs."""
        generator = np.random.default_rng((self.seed, number))
        shuffled = generator.permutation(len(self.src_lengths))
        batches: list[IntArray] = []
        for start in range(0, len(shuffled), self.pool):
            pool = shuffled[start : start + self.pool]
            by_length = np.lexsort((self.tgt_lengths[pool], self.src_lengths[pool]))
            filled = list(self._fill(pool[by_length]))
            batches.extend(filled[i] for i in generator.permutation(len(filled)))
        return batches

    def _fill(self, pairs: IntArray) -> Iterator[IntArray]:
        src, tgt = self.src_lengths[pairs].tolist(), (self.tgt_lengths[pairs] + 1).tolist()
        start, widest = 0, 0
        for end in range(len(pairs)):
            widest = max(widest, tgt[end])
            size = end - start + 1  # with this pair
            fullness = (size - 1) / self.batch_sentences if self.batch_sentences else 0.0
            over = size > self.batch_sentences
            if not self.batch_sentences:
                fullness = (size - 1) * max(tgt[start:end], default=0) / self.batch_tokens
                over = size * widest > self.batch_tokens
            turns = end > start and src[end] != src[end - 1] and fullness >= 0.5
            if size > 1 and (over or turns):
                yield pairs[start:end]
                start, widest = end, tgt[end]
        if len(pairs):
            yield pairs[start:]

    def padding_share(self, number: int = 0) -> float:
        """Share of an epoch's source and target cells that hold padding instead of tokens."""
        cells = tokens = 0
        for batch in self.epoch(number):
            for lengths in (self.src_lengths[batch] + 1, self.tgt_lengths[batch] + 1):
                cells += len(batch) * int(lengths.max())
                tokens += int(lengths.sum())
        return 1 - tokens / max(cells, 1)
