"""Batches: reversal, padding, and an order that visits every pair once."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.corpus.batching import BatchOrder, collate
from seq2seq.corpus.subword import BOS, EOS, PAD

sentences = st.lists(st.lists(st.integers(4, 50), max_size=9), min_size=1, max_size=6)


def test_what_a_batch_looks_like() -> None:
    batch = collate([[5, 6, 7], [8]], [[9], [10, 11]], reverse=True)
    assert batch.src.tolist() == [[7, 6, 5, EOS], [8, EOS, PAD, PAD]]
    assert batch.src_lengths.tolist() == [4, 2]
    assert batch.src_mask.tolist() == [[True] * 4, [True, True, False, False]]
    assert batch.tgt_in.tolist() == [[BOS, 9, PAD], [BOS, 10, 11]]
    assert batch.tgt_out.tolist() == [[9, EOS, PAD], [10, 11, EOS]]


@given(sentences)
def test_reversal_is_its_own_inverse_and_leaves_marks_and_padding_alone(rows: list[list[int]]) -> None:
    forward, backward = collate(rows, reverse=False), collate(rows, reverse=True)
    again = collate([row[::-1] for row in rows], reverse=True)
    assert torch.equal(again.src, forward.src)
    assert torch.equal(forward.src == PAD, backward.src == PAD)
    assert torch.equal(forward.src == EOS, backward.src == EOS)


lengths = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=200)


def order(pairs: list[tuple[int, int]], **settings: int) -> BatchOrder:
    src, tgt = np.array(pairs, dtype=np.int32).T
    return BatchOrder(**({"src_lengths": src, "tgt_lengths": tgt, "batch_tokens": 100, "seed": 3} | settings))


@given(lengths, st.integers(1, 300), st.integers(0, 3), st.integers(5, 300))
@settings(deadline=None)
def test_each_pair_once_and_no_batch_over_budget(
    pairs: list[tuple[int, int]], budget: int, epoch: int, pool: int
) -> None:
    made = order(pairs, batch_tokens=budget, pool=pool)
    batches = made.epoch(epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(pairs)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * (made.tgt_lengths[batch].max() + 1) <= budget


@given(lengths, st.integers(1, 9))
@settings(deadline=None)
def test_batches_by_sentences(pairs: list[tuple[int, int]], size: int) -> None:
    batches = order(pairs, batch_sentences=size).epoch(0)
    assert max(map(len, batches)) <= size
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(pairs)))


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    generator = np.random.default_rng(0)
    pairs = generator.integers(1, 30, size=(500, 2)).tolist()

    def flat(seed: int, epoch: int) -> list[list[int]]:
        return [batch.tolist() for batch in order(pairs, seed=seed).epoch(epoch)]

    assert flat(1, 2) == flat(1, 2)
    assert flat(1, 2) != flat(1, 3)
    assert flat(1, 2) != flat(2, 2)


def test_padding_is_small_where_there_is_enough_to_choose_from() -> None:
    generator = np.random.default_rng(0)
    src = generator.integers(3, 30, size=5000)
    pairs = np.stack([src, np.maximum(1, src + generator.integers(-3, 4, size=5000))], axis=1).tolist()
    assert 0 <= order(pairs, batch_tokens=600).padding_share() < 0.1


def test_padding_is_told_from_the_first_pool_and_like_that_of_all() -> None:
    generator = np.random.default_rng(0)
    pairs = generator.integers(3, 30, size=(4000, 2)).tolist()
    whole, first = (order(pairs, batch_tokens=600, pool=pool) for pool in (4000, 500))
    cells = sum(len(batch) * int(first.src_lengths[batch].max() + 1) for batch in first.epoch(0))
    cells += sum(len(batch) * int(first.tgt_lengths[batch].max() + 1) for batch in first.epoch(0))
    real = 1 - sum(map(sum, pairs), 2 * len(pairs)) / cells
    assert abs(first.padding_share() - real) < 0.03
    assert first.padding_share() != whole.padding_share()
