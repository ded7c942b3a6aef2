"""The order of batches: it visits every pair once, keeps to the budget, and makes few shapes where asked."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seq2seq.corpus.batch_order import BatchOrder
from seq2seq.corpus.batching import Shape

lengths = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30)), min_size=1, max_size=200)


def order(pairs: list[tuple[int, int]], **settings: int) -> BatchOrder:
    src, tgt = np.array(pairs, dtype=np.int32).T
    return BatchOrder(**({"src_lengths": src, "tgt_lengths": tgt, "batch_tokens": 100, "seed": 3} | settings))


def batches_of(order: BatchOrder, number: int = 0) -> list[list[np.ndarray]]:
    """Of each pool of an epoch its batches, as indices of pairs."""
    return [
        [rows[batch] for batch in order.fill(number, place, order.src_lengths[rows], order.tgt_lengths[rows])]
        for place, rows in enumerate(order.pools(number))
    ]


def cut_by_the_book(order: BatchOrder, rows: np.ndarray) -> list[list[int]]:
    """The rule pair by pair: a batch ends at its budget, or, if half full, where the source length changes."""
    budget = order.batch_sentences or order.batch_tokens

    def cells(batch: list[int]) -> int:
        return len(batch) if order.batch_sentences else len(batch) * (int(order.tgt_lengths[batch].max()) + 1)

    batches: list[list[int]] = [[]]
    for row in sorted(map(int, rows), key=lambda row: (order.src_lengths[row], order.tgt_lengths[row])):
        batch = batches[-1]
        if batch and (
            cells([*batch, row]) > budget
            or (2 * cells(batch) >= budget and order.src_lengths[batch[-1]] != order.src_lengths[row])
        ):
            batches.append(batch := [])
        batch.append(row)
    return batches


@given(lengths, st.integers(1, 300), st.integers(0, 9), st.integers(0, 3), st.integers(5, 300))
@example([(1, 4), (1, 4), (2, 4)], 20, 0, 0, 300)  # exactly half full
@example([(1, 4), (2, 4), (3, 4)], 0, 2, 0, 300)
@example([(1, 9), (1, 9), (1, 9)], 5, 0, 0, 300)  # no pair fits
@settings(deadline=None)
def test_batches_are_cut_by_the_rule_and_each_pair_comes_once(
    pairs: list[tuple[int, int]], tokens: int, sentences: int, epoch: int, pool: int
) -> None:
    made = order(pairs, batch_tokens=tokens, batch_sentences=sentences, pool=pool)
    pools = made.pools(epoch)
    assert sorted(np.concatenate(pools).tolist()) == list(range(len(pairs)))
    assert all(len(rows) == pool for rows in pools[:-1])
    assert 0 < len(pools[-1]) <= pool
    for rows, batches in zip(pools, batches_of(made, epoch), strict=True):
        expected = cut_by_the_book(made, rows)
        # Pairs of the same two lengths may change places.
        assert sorted(lengths_of(made, batch) for batch in batches) == sorted(
            lengths_of(made, batch) for batch in expected
        )
        assert sorted(np.concatenate(batches).tolist()) == sorted(rows.tolist())
        for batch in batches:
            cells = len(batch) if sentences else len(batch) * (made.tgt_lengths[batch].max() + 1)
            assert cells <= (sentences or tokens) or len(batch) == 1


def lengths_of(order: BatchOrder, batch: "np.ndarray | list[int]") -> list[tuple[int, int]]:
    return [(int(order.src_lengths[row]), int(order.tgt_lengths[row])) for row in batch]


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    generator = np.random.default_rng(0)
    pairs = generator.integers(1, 30, size=(500, 2)).tolist()

    def flat(seed: int, epoch: int) -> list[list[int]]:
        return [batch.tolist() for batches in batches_of(order(pairs, seed=seed), epoch) for batch in batches]

    assert flat(1, 2) == flat(1, 2)
    assert flat(1, 2) != flat(1, 3)
    assert flat(1, 2) != flat(2, 2)


def test_batches_are_shuffled_otherwise_in_each_pool_epoch_and_with_each_seed() -> None:
    """A pool of sources of 1 to 40 tokens, a pair a batch: neither short ones first nor twice the same order."""
    src, tgt = np.arange(1, 41, dtype=np.int32), np.full(40, 9, dtype=np.int32)

    def sources(seed: int, epoch: int, pool: int) -> list[int]:
        made = order([(1, 1)], seed=seed, batch_sentences=1)
        return [int(src[batch[0]]) for batch in made.fill(epoch, pool, src, tgt)]

    orders = [sources(*key) for key in ((1, 1, 0), (1, 1, 1), (1, 2, 0), (2, 1, 0))]
    assert all(sorted(each) == src.tolist() != each for each in orders)
    assert all(one != other for number, one in enumerate(orders) for other in orders[:number])


@pytest.mark.parametrize("pool", [250, 1000])
def test_pairs_are_shuffled_before_they_are_cut_into_pools(pool: int) -> None:
    """Else a corpus sorted by topic would be learned topic by topic."""
    rows = order([(5, 5)] * 1000, pool=pool).pools(0)[0]
    quarters = np.histogram(rows, bins=4, range=(0, 1000))[0]
    assert min(quarters) >= len(rows) // 6
    assert rows.tolist() != sorted(rows.tolist())


def test_padding_is_small_where_there_is_enough_to_choose_from() -> None:
    generator = np.random.default_rng(0)
    src = generator.integers(3, 30, size=5000)
    pairs = np.stack([src, np.maximum(1, src + generator.integers(-3, 4, size=5000))], axis=1).tolist()
    assert 0 <= order(pairs, batch_tokens=600).padding_share() < 0.1


def test_padding_share_counts_cells_of_both_sides_with_their_marks() -> None:
    # One batch: sources of 2 and 4 cells, padded to 2 × 4, and targets of 3 and 6, padded to 2 × 6.
    assert order([(1, 2), (3, 5)]).padding_share() == pytest.approx(1 - (2 + 4 + 3 + 6) / (8 + 12))
    assert order([(3, 5), (3, 5)]).padding_share() == 0


def test_padding_share_is_that_of_the_first_pool_of_an_epoch() -> None:
    generator = np.random.default_rng(0)
    pairs = generator.integers(3, 30, size=(4000, 2)).tolist()
    for epoch in (0, 1):
        made = order(pairs, batch_tokens=600, pool=500)
        first = batches_of(made, epoch)[0]
        sides = [side[batch] + 1 for batch in first for side in (made.src_lengths, made.tgt_lengths)]
        cells, tokens = (sum(count(side) for side in sides) for count in (lambda side: len(side) * side.max(), np.sum))
        assert made.padding_share(epoch) == pytest.approx(1 - tokens / cells)
    assert made.padding_share(0) != made.padding_share(1)


def shapes_of(order: BatchOrder, number: int = 0) -> list[Shape]:
    return [
        order.shape(order.src_lengths[batch], order.tgt_lengths[batch])
        for batches in batches_of(order, number)
        for batch in batches
    ]


@given(lengths, st.integers(1, 2000), st.integers(0, 9), st.integers(0, 3), st.integers(5, 300))
@example([(5, 8)] * 100, 144, 0, 0, 300)  # 16 rows of 9 cells would be within the budget, but 9 are rounded up
@settings(deadline=None)
def test_shapes_hold_their_batches_keep_the_budget_and_lose_no_pair(
    pairs: list[tuple[int, int]], tokens: int, sentences: int, epoch: int, pool: int
) -> None:
    made = order(pairs, batch_tokens=tokens, batch_sentences=sentences, pool=pool, shapes=True)
    batches = [batch for batches in batches_of(made, epoch) for batch in batches]
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(pairs)))
    for batch, shape in zip(batches, shapes_of(made, epoch), strict=True):
        assert shape.rows >= len(batch)
        for cells, longest in ((shape.src, made.src_lengths[batch].max()), (shape.tgt, made.tgt_lengths[batch].max())):
            assert longest + 1 <= cells <= longest + 4
            assert cells % (2 if cells <= 16 else 4) == 0
        assert shape.rows <= sentences if sentences else shape.rows == 1 or shape.rows * shape.tgt <= tokens
        assert shape.rows % 8 == 0 or shape.rows < 8 or shape.rows == sentences


def test_a_batch_of_two_source_lengths_has_targets_of_like_lengths() -> None:
    pairs = [(src, tgt) for src in (1, 3) for tgt in range(1, 16)]
    made = order(pairs, batch_sentences=10, shapes=True)
    ((*batches,),) = batches_of(made)
    assert sorted(sorted(made.tgt_lengths[batch].tolist()) for batch in batches) == [
        list(range(1, 11)),
        list(range(1, 11)),
        sorted([*range(11, 16)] * 2),
    ]


def test_without_shapes_a_batch_is_no_larger_than_needed() -> None:
    made = order([(1, 2), (3, 5)])
    assert made.shape(made.src_lengths, made.tgt_lengths) == Shape(2, 4, 6)


def like_a_corpus(count: int) -> list[tuple[int, int]]:
    """Lengths as in a corpus: mostly short, the two sides much alike."""
    generator = np.random.default_rng(0)
    src = generator.gamma(4.0, 3.0, count).astype(int) + 1
    tgt = np.maximum(1, (src * generator.normal(1.1, 0.15, count)).astype(int))
    return np.stack([src, tgt], axis=1).tolist()


@pytest.mark.parametrize("tokens", [600, 1200, 8000])
def test_few_shapes_hold_almost_all_batches(tokens: int) -> None:
    """In pools of a large corpus, whose batches are never twice the same."""
    made = order(like_a_corpus(100_000), batch_tokens=tokens, pool=25_000, shapes=True)
    counts = Counter(shapes_of(made) + shapes_of(made, 1))
    assert len(counts) < 160
    often = sum(count for count in counts.values() if count >= 4)
    assert often >= 0.8 * counts.total()
    assert 0 < made.padding_share() < 0.15


def test_padding_share_counts_what_fills_a_shape_up() -> None:
    # Sources of 2 and 4 cells, targets of 3 and 6, in 8 rows of 4 and 6 cells.
    made = order([(1, 2), (3, 5)], shapes=True)
    assert made.padding_share() == pytest.approx(1 - (2 + 4 + 3 + 6) / (8 * (4 + 6)))
