"""Batches in pieces: no pair is lost, no piece is wider than it must be."""

import torch
from torch import Tensor

from seq2seq.corpus.batching import Batch, collate
from seq2seq.corpus.subword import EOS, PAD
from seq2seq.training.out_of_memory import cells, fits, split_batch


def rows_of(tensor: Tensor) -> list[list[int]]:
    return [[token for token in row if token != PAD] for row in tensor.tolist()]


def test_pieces_hold_all_rows_without_padding_of_others() -> None:
    sources = [[5] * length for length in (1, 1, 4, 9, 2)]
    whole = collate(sources, [[6] * length for length in (3, 2, 8, 1, 1)], reverse=True)
    pieces = split_batch(whole, 30)
    assert all(fits(piece, 30) for piece in pieces)
    for name in ("src", "tgt_in", "tgt_out"):
        assert [row for piece in pieces for row in rows_of(getattr(piece, name))] == rows_of(getattr(whole, name))
        assert all((getattr(piece, name) != PAD).any(0).all() for piece in pieces)
    assert [piece.full for piece in pieces] == [len(set(piece.src_lengths.tolist())) == 1 for piece in pieces]
    assert {piece.full for piece in pieces} == {True, False}


def test_a_batch_that_fits_stays_whole() -> None:
    batch = collate([[5, 6]] * 3, [[7]] * 3, reverse=False)
    assert cells(batch) == 3 * (3 + 2)
    assert split_batch(batch, 0) == split_batch(batch, 16) == [batch]
    assert len(split_batch(batch, 15)) == 2


def test_pieces_of_rows_that_only_fill_a_batch_up_have_a_target_position() -> None:
    real = collate([[5, 6]] * 2, [[7, 8]] * 2, reverse=False)
    filler = torch.tensor([[EOS, PAD, PAD]] * 2)
    nothing = torch.full((2, 3), PAD)
    batch = Batch(
        torch.cat([real.src, filler]),
        torch.tensor([3, 3, 1, 1]),
        torch.cat([real.tgt_in, nothing]),
        torch.cat([real.tgt_out, nothing]),
    )
    assert [tuple(piece.tgt_out.shape) for piece in split_batch(batch, 13)] == [(2, 3), (2, 1)]
