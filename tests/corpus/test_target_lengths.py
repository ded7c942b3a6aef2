"""The most tokens of an output: every usual pair fits, freaks do not decide, longer sources never get less."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.corpus.target_lengths import TargetLengths

pairs = st.lists(st.tuples(st.integers(1, 100), st.integers(1, 300)), min_size=1, max_size=200)


def measured(pairs: list[tuple[int, int]]) -> TargetLengths:
    src, tgt = np.array(pairs, dtype=np.int32).T
    return TargetLengths.of(src, tgt)


@given(pairs)
def test_every_pair_of_a_small_corpus_fits_with_room(pairs: list[tuple[int, int]]) -> None:
    lengths = measured(pairs)
    assert all(lengths.most(src) >= 1.5 * tgt for src, tgt in pairs)
    assert max(most for _, most in lengths.limits) <= 1.5 * max(tgt for _, tgt in pairs) + 5


@given(pairs, st.integers(1, 300))
def test_a_longer_source_never_gets_less(pairs: list[tuple[int, int]], size: int) -> None:
    lengths = measured(pairs)
    assert lengths.most(size) <= lengths.most(size + 1)


@given(pairs)
def test_it_is_a_short_table_that_json_keeps(pairs: list[tuple[int, int]]) -> None:
    lengths = measured(pairs)
    assert len(lengths.limits) <= 15
    assert TargetLengths.read(json.loads(json.dumps(lengths.limits))) == lengths


def test_one_freak_among_thousands_does_not_decide() -> None:
    usual = [(3, 4)] * 5000
    assert measured([*usual, (3, 90)]) == measured(usual)
    assert measured([*usual[:500], (3, 90)]) != measured(usual)


def test_beyond_the_longest_source_it_grows_in_proportion() -> None:
    lengths = measured([(10, 30), (2, 4)])
    assert (lengths.most(10), lengths.most(30)) == (50, 150)
