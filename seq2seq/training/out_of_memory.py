"""Batches that do not fit into memory are trained on in pieces, whose gradients add up to the same.

A piece's size is measured in cells: rows times source and target positions, to which the activations kept for the
backward pass are proportional.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from seq2seq.corpus.batching import Batch
from seq2seq.corpus.subword import PAD
from seq2seq.errors import Seq2SeqError, is_out_of_memory, warn

T = TypeVar("T")


def retry_in_pieces(
    work: Callable[[Callable[[Batch], Iterator[Batch]]], T], oom_cells: int, free: Callable[[], bool]
) -> tuple[T, int]:
    """Runs ``work``, and again with batches in smaller pieces each time that memory runs out.

    Args:
        work: receives a function that splits a batch, on the host, into pieces; each call starts from scratch.
        oom_cells: every piece has fewer cells; 0: batches stay whole.
        free: frees memory that training can do without; False if there was none.

    Returns:
        The result of ``work``, and the new ``oom_cells``.

    Raises:
        Seq2SeqError: a single pair is too large.
    """
    tried: Batch | None = None

    def split(batch: Batch) -> Iterator[Batch]:
        nonlocal tried
        for piece in split_batch(batch, oom_cells):
            tried = piece
            yield piece

    while True:
        try:
            return work(split), oom_cells
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or tried is None:
                raise
        # Outside the except block: with the error go its frames and the tensors of the failed attempt.
        if not free():
            oom_cells = _shrink(tried, oom_cells)
        torch.cuda.empty_cache()  # blocks that torch has cached may be too small for anything else


def split_batch(batch: Batch, oom_cells: int) -> list[Batch]:
    """The batch, halved until each piece has fewer than ``oom_cells`` cells (0: any number) or is a single row."""
    if fits(batch, oom_cells) or len(batch.tgt_out) == 1:
        return [batch]
    middle = (len(batch.tgt_out) + 1) // 2
    halves = (_rows(batch, rows) for rows in (slice(middle), slice(middle, None)))
    return [piece for half in halves for piece in split_batch(half, oom_cells)]


def _shrink(piece: Batch, oom_cells: int) -> int:
    """The new limit after memory ran out for a piece; warns the first time.

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
            f"out of memory with a batch of {piece.tgt_out.numel()} target tokens: batches as large are split "
            "from now on, which gives the same gradient; a lower training.batch_tokens would be faster"
        )
    return cells(piece)


def fits(batch: Batch, oom_cells: int) -> bool:
    """True if the batch has fewer than ``oom_cells`` cells (0: any number)."""
    return not oom_cells or cells(batch) < oom_cells


def cells(batch: Batch) -> int:
    """Rows times source and target positions."""
    return len(batch.tgt_out) * (batch.src.shape[1] + batch.tgt_out.shape[1])


def _rows(batch: Batch, rows: slice) -> Batch:
    """Some rows, without the padding that only other rows needed."""
    src_lengths, tgt_out = batch.src_lengths[rows], batch.tgt_out[rows]
    # At least one: rows that only fill a batch up have no target.
    longest = max(1, int((tgt_out != PAD).sum(1).max()))
    # Pictures are all of one size.
    shortest, widest = int(src_lengths.min()), int(src_lengths.max())
    src, tgt_in = batch.src[rows, :widest], batch.tgt_in[rows, :longest]
    return Batch(src, src_lengths, tgt_in, tgt_out[:, :longest], full=shortest == widest)
