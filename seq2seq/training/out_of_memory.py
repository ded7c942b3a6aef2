"""Batches that need more memory than there is: learned in pieces, whose gradients add up to the same.

A piece's size is its cells, rows times source and target positions, to which what a step keeps for the backward
pass is in proportion.
"""

import torch
from torch import Tensor

from seq2seq.corpus.batching import Batch
from seq2seq.corpus.subword import PAD
from seq2seq.errors import Seq2SeqError, warn


def pieces(batch: Batch, oom_cells: int) -> list[Batch]:
    """The batch, halved until no piece has ``oom_cells`` cells (0: any size will do) or it is a single row."""
    if not oom_cells or _cells(batch) < oom_cells or len(batch.tgt_out) == 1:
        return [batch]
    middle = (len(batch.tgt_out) + 1) // 2
    return [piece for rows in (slice(middle), slice(middle, None)) for piece in pieces(_rows(batch, rows), oom_cells)]


def shrink_after_oom(piece: Batch, oom_cells: int) -> int:
    """The size from which on batches are to be halved, after memory had no room for a piece; said the first time.

    Args:
        piece: what was tried.
        oom_cells: the size so far; 0: there has been room for all.

    Raises:
        Seq2SeqError: the piece is a single pair.
    """
    if len(piece.tgt_out) == 1:
        raise Seq2SeqError(
            f"out of memory with a single pair, {piece.src.shape[1]} source and {piece.tgt_out.shape[1]} target "
            "positions: lower data.max_tokens or model.hidden_size, or free memory for it"
        )
    if not oom_cells:
        warn(
            f"out of memory with a batch of {piece.tgt_out.numel()} target tokens: those as large are learned "
            "in pieces, which gives the same gradient; a lower training.batch_tokens would be faster"
        )
    if piece.tgt_out.is_cuda:
        torch.cuda.empty_cache()  # what torch keeps of the attempt may lie in blocks that fit nothing else
    return _cells(piece)


def _cells(batch: Batch) -> int:
    return len(batch.tgt_out) * (batch.src.shape[1] + batch.tgt_out.shape[1])


def _rows(batch: Batch, rows: slice) -> Batch:
    """Some rows, without the padding that only others needed."""
    src_lengths, tgt_out = batch.src_lengths[rows], batch.tgt_out[rows]
    longest = int((tgt_out != PAD).sum(1).max())
    # Of pictures, all are of one size.
    src: Tensor = batch.src[rows, : int(src_lengths.max())]
    return Batch(src, src_lengths, batch.tgt_in[rows, :longest], tgt_out[:, :longest])
