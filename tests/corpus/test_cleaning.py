"""Cleaning and splitting: every pair is accounted for, and no held-out source is left in training."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.config import DataConfig
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
        Pair("same", "same"),
        Pair("short", "long " * 100),
    ]
    dropped: Counter[str] = Counter()
    assert list(clean(pairs, DATA, dropped)) == [Pair("a", "b")] * 2
    assert dropped == {"empty side": 2, "identical sides": 1, "length ratio": 1}


def test_what_a_recipe_allows_is_kept() -> None:
    data = DataConfig(drop_identical=False)
    pairs = [Pair("x", "x"), Pair("x", "x")]
    assert list(clean(pairs, data, Counter())) == pairs


words = st.sampled_from([f"s{number}" for number in range(30)])


@given(st.lists(st.builds(Pair, words, words), min_size=1, max_size=120), st.integers(0, 5), st.integers(0, 5))
def test_parts_share_no_source_and_hold_one_pair_of_each(pairs: list[Pair], validation: int, test: int) -> None:
    sources = {pair.src for pair in pairs}
    if len(sources) < validation + test:
        with pytest.raises(CorpusError, match="too few"):
            hold_out(pairs, (validation, test))
        return
    parts = hold_out(pairs, (validation, test))
    assert [len(part) for part in parts] == [validation, test]
    held_out = [pair.src for part in parts for pair in part]
    assert len(set(held_out)) == validation + test
    first = {pair.src: pair for pair in reversed(pairs)}
    assert all(first[pair.src] == pair for part in parts for pair in part)


def test_the_split_depends_on_sources_alone_not_on_their_order() -> None:
    pairs = [Pair(f"s{number}", f"t{number}") for number in range(50)]
    assert hold_out(pairs, (5, 5)) == hold_out(pairs[::-1], (5, 5))
