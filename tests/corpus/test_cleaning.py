"""Cleaning and splitting: every pair is accounted for, and no held-out source is left in training."""

import hashlib
from collections import Counter
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.config import DataConfig, SubwordConfig
from seq2seq.corpus.cleaning import clean, hold_out
from seq2seq.corpus.pairs import Pair
from seq2seq.errors import CorpusError

DATA = DataConfig()


def test_reasons_are_counted() -> None:
    pairs = [
        Pair("a", "b"),
        Pair(" a ", "b\t"),
        Pair("", "b"),
        Pair("a", " \u2028 "),
        Pair("", ""),
        Pair("same", "same"),
        Pair(" the  same", "the same\u00a0"),
        Pair("short", "long " * 100),
    ]
    dropped = Counter({"empty side": 1})
    assert list(clean(pairs, DATA, SubwordConfig(), dropped)) == [Pair("a", "b")] * 2
    assert dropped == {"empty side": 4, "identical sides": 2, "length ratio": 1}


def test_what_a_recipe_allows_is_kept() -> None:
    data = DataConfig(drop_identical=False)
    pairs = [Pair("x", "x"), Pair("x", "x")]
    assert list(clean(pairs, data, SubwordConfig(), Counter())) == pairs


@pytest.mark.parametrize(
    ("shorter", "ratio", "limit"),
    [
        # A side of fewer than 20 characters counts as one of 20.
        *[(1, 9.0, 180), (19, 9.0, 180), (20, 9.0, 180), (21, 9.0, 189), (50, 9.0, 450)],
        *[(1, 1.5, 30), (20, 1.5, 30), (21, 1.5, 31), (50, 2.0, 100), (50, 1.0, 50)],
    ],
)
@pytest.mark.parametrize("swap", [False, True], ids=["long target", "long source"])
def test_the_longer_side_may_be_as_long_as_the_ratio_says_and_no_longer(
    shorter: int, ratio: float, limit: int, swap: bool
) -> None:
    short, longest, too_long = "x" * shorter, "y" * limit, "y" * (limit + 1)
    pairs = [Pair(long, short) if swap else Pair(short, long) for long in (longest, too_long)]
    dropped: Counter[str] = Counter()
    assert list(clean(pairs, DataConfig(max_ratio=ratio), SubwordConfig(), dropped)) == pairs[:1]
    assert dropped == {"length ratio": 1}


def test_images_are_dropped_only_without_a_caption_and_keep_their_names() -> None:
    pairs = [
        Pair("a  b.png", " a\tcat "),
        Pair("same.png", "same.png"),
        Pair("x.png", "y" * 500),
        Pair("x.png", " "),
        Pair("", "cat"),
    ]
    dropped: Counter[str] = Counter()
    kept = list(clean(pairs, DataConfig(format="pictures"), SubwordConfig(), dropped))
    assert kept == [Pair("a  b.png", "a cat"), *pairs[1:3]]
    assert dropped == {"empty side": 2}


def test_pairs_are_cleaned_one_by_one() -> None:
    assert next(clean(repeat(Pair("a", "b")), DATA, SubwordConfig(), Counter())) == Pair("a", "b")


words = st.sampled_from([f"s{number}" for number in range(30)])


@given(st.lists(st.builds(Pair, words, words), min_size=1, max_size=120), st.integers(0, 5), st.integers(0, 5))
def test_held_out_are_the_sources_of_the_smallest_hashes_each_with_its_first_pair_or_all(
    pairs: list[Pair], validation: int, test: int
) -> None:
    first = {pair.src: pair for pair in reversed(pairs)}
    if len(first) < validation + test:
        message = rf"too few different sources \({len(first)}\) to cut {validation} for validation and {test} for"
        with pytest.raises(CorpusError, match=message):
            hold_out(pairs, (validation, test))
        return
    by_hash = sorted(first, key=lambda source: hashlib.blake2b(source.encode(), digest_size=8).digest())
    expected = [first[source] for source in by_hash[: validation + test]]
    assert hold_out(iter(pairs), (validation, test)) == (expected[:validation], expected[validation:])
    every = [[pair for pair in pairs if pair.src == one.src] for one in expected]
    parts = (list(chain(*every[:validation])), list(chain(*every[validation:])))
    assert hold_out(iter(pairs), (validation, test), every=True) == parts


def test_the_split_depends_on_sources_alone_not_on_their_order() -> None:
    pairs = [Pair(f"s{number}", f"t{number}") for number in range(50)]
    assert hold_out(pairs, (5, 5)) == hold_out(pairs[::-1], (5, 5))


def test_where_nothing_is_to_be_cut_nothing_is_read() -> None:
    pairs = iter([Pair("a", "b")])
    assert hold_out(pairs, (0, 0)) == ([], [])
    assert next(pairs) == Pair("a", "b")
