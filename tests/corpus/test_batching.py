"""Batches: reversal and padding."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.corpus.batching import Shape, collate, collate_images
from seq2seq.corpus.subword import BOS, EOS, PAD

sentences = st.lists(st.lists(st.integers(4, 50), max_size=9), min_size=1, max_size=6)


def test_what_a_batch_looks_like() -> None:
    batch = collate([[5, 6, 7], [8]], [[9], [10, 11]], reverse=True)
    assert batch.src.tolist() == [[7, 6, 5, EOS], [8, EOS, PAD, PAD]]
    assert batch.src_lengths.tolist() == [4, 2]
    assert batch.src_mask.tolist() == [[True] * 4, [True, True, False, False]]
    assert not batch.full
    assert batch.tgt_in.tolist() == [[BOS, 9, PAD], [BOS, 10, 11]]
    assert batch.tgt_out.tolist() == [[9, EOS, PAD], [10, 11, EOS]]
    assert batch.to(torch.device("cpu")) is batch


def test_without_targets_there_are_only_marks() -> None:
    for batch in (collate([[5], []], reverse=False), collate_images(torch.zeros(2, 49, 8))):
        assert batch.tgt_in.tolist() == [[BOS], [BOS]]
        assert batch.tgt_out.tolist() == [[EOS], [EOS]]


@pytest.mark.parametrize("lengths", [(3,), (3, 3), (3, 2), (1, 3, 3)])
def test_a_batch_is_full_where_no_source_is_padded(lengths: tuple[int, ...]) -> None:
    batch = collate([[5] * length for length in lengths], reverse=True)
    assert batch.full == bool(batch.src_mask.all())


def test_images_need_no_padding() -> None:
    features = torch.randn(2, 49, 8)
    batch = collate_images(features, [[9], [10, 11]])
    assert batch.src is features
    assert batch.src_lengths.tolist() == [49, 49]
    assert batch.src_mask.all()
    assert batch.full
    assert batch.tgt_in.tolist() == [[BOS, 9, PAD], [BOS, 10, 11]]
    assert batch.tgt_out.tolist() == [[9, EOS, PAD], [10, 11, EOS]]


@given(sentences)
def test_reversal_is_its_own_inverse_and_leaves_marks_and_padding_alone(rows: list[list[int]]) -> None:
    forward, backward = collate(rows, reverse=False), collate(rows, reverse=True)
    again = collate([row[::-1] for row in rows], reverse=True)
    assert torch.equal(again.src, forward.src)
    assert torch.equal(forward.src == PAD, backward.src == PAD)
    assert torch.equal(forward.src == EOS, backward.src == EOS)


@given(sentences, sentences, st.booleans(), st.integers(0, 9), st.integers(0, 3), st.integers(0, 3))
def test_a_batch_that_is_filled_up_holds_the_bare_one_and_nothing_else(
    sources: list[list[int]], targets: list[list[int]], reverse: bool, rows: int, src: int, tgt: int
) -> None:
    sources, targets = (side[: min(len(sources), len(targets))] for side in (sources, targets))
    bare = collate(sources, targets, reverse=reverse)
    count, shape = len(sources), Shape(len(sources) + rows, bare.src.shape[1] + src, bare.tgt_out.shape[1] + tgt)
    filled = collate(sources, targets, reverse=reverse, shape=shape)
    assert filled.src.shape == (shape.rows, shape.src)
    assert filled.tgt_in.shape == filled.tgt_out.shape == (shape.rows, shape.tgt)
    for name in ("src", "tgt_in", "tgt_out"):
        wide, narrow = getattr(filled, name), getattr(bare, name)
        assert torch.equal(wide[:count, : narrow.shape[1]], narrow)
        assert (wide[:count, narrow.shape[1] :] == PAD).all()
    assert filled.src_lengths.tolist() == [*bare.src_lengths.tolist(), *[1] * rows]
    assert (filled.src[count:, 0] == EOS).all()
    assert (filled.src[count:, 1:] == PAD).all()
    assert (filled.tgt_out[count:] == PAD).all()
    assert filled.full == bool((filled.src_lengths == shape.src).all())


def test_the_corpus_is_collated_as_lists_are() -> None:
    sources, targets = [[5, 6, 7], []], [[9], [10, 11]]
    listed, arrays = (
        collate(*sides, reverse=True)
        for sides in (
            (sources, targets),
            [[np.array(row, dtype=np.int32) for row in side] for side in (sources, targets)],
        )
    )
    for name in ("src", "src_lengths", "tgt_in", "tgt_out"):
        assert torch.equal(getattr(listed, name), getattr(arrays, name))


def test_captions_are_filled_up_in_length_alone() -> None:
    batch = collate_images(torch.randn(2, 49, 8), [[9], [10, 11]], shape=Shape(8, 2, 4))
    assert batch.tgt_in.tolist() == [[BOS, 9, PAD, PAD], [BOS, 10, 11, PAD]]
    assert batch.tgt_out.tolist() == [[9, EOS, PAD, PAD], [10, 11, EOS, PAD]]
