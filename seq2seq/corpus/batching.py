"""Batches: token ids as rectangular tensors.

Shapes: ``B`` batch, ``S`` source length, ``T`` target length, ``C`` channels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from seq2seq.corpus.padding import TokenIds, pad, pad_sources
from seq2seq.corpus.subword import BOS, EOS


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

    def pinned(self) -> "Batch":
        """The batch in pinned memory, from which a GPU copies it while the host goes on."""
        return self._each(Tensor.pin_memory)

    def to(self, device: torch.device) -> "Batch":
        """The batch on ``device``."""
        if device.type == self.src.device.type:
            return self
        return self.pinned()._each(lambda tensor: tensor.to(device, non_blocking=True))

    def _each(self, move: Callable[[Tensor], Tensor]) -> "Batch":
        src, src_lengths = move(self.src), move(self.src_lengths)
        return replace(self, src=src, src_lengths=src_lengths, tgt_in=move(self.tgt_in), tgt_out=move(self.tgt_out))


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of a batch."""

    rows: int
    src: int
    """Cells of each row of the source, end mark included."""
    tgt: int
    """Likewise of the target."""


def collate(
    sources: Sequence[TokenIds],
    targets: Sequence[TokenIds] | None = None,
    *,
    reverse: bool,
    shape: Shape | None = None,
) -> Batch:
    """Pads sentences to a batch.

    Args:
        sources: token ids of each sentence, without marks.
        targets: likewise; None if there are only sources to translate.
        reverse: reverse each source, see :func:`pad_sources`.
        shape: at least as large as the batch, which is padded up to it. Rows that fill it up have an empty source and
            no target: nothing but padding in ``tgt_out``, so they count in no loss. None: no larger than needed.
    """
    filler: list[TokenIds] = [()] * (shape.rows - len(sources)) if shape else []
    src, lengths = pad_sources([*sources, *filler], reverse=reverse, width=shape.src if shape else 0)
    full = bool((lengths == src.shape[1]).all())
    tgt_in, tgt_out = _pad_targets([()] * len(sources) if targets is None else targets, shape)
    return Batch(torch.from_numpy(src), torch.from_numpy(lengths), tgt_in, tgt_out, full=full)


def collate_images(images: Tensor, targets: Sequence[TokenIds] | None = None, *, shape: Shape | None = None) -> Batch:
    """A batch of images, features (B, S, C) or pixels (B, 3, height, width), which need no padding.

    Of ``shape`` only the width of the targets counts.
    """
    lengths = torch.full((len(images),), images.shape[1])
    targets = [()] * len(images) if targets is None else targets
    shape = replace(shape, rows=len(images)) if shape else None
    return Batch(images, lengths, *_pad_targets(targets, shape), full=True)


def _pad_targets(targets: Sequence[TokenIds], shape: Shape | None) -> tuple[Tensor, Tensor]:
    """``tgt_in`` and ``tgt_out``."""
    filler: list[TokenIds] = [()] * (shape.rows - len(targets)) if shape else []
    tgt_out, lengths = pad([*targets, *filler], shape.tgt if shape else 0)
    tgt_in = np.concatenate([np.full((len(tgt_out), 1), BOS), tgt_out[:, :-1]], axis=1)
    tgt_out[np.arange(len(targets)), lengths[: len(targets)]] = EOS
    return torch.from_numpy(tgt_in), torch.from_numpy(tgt_out)
