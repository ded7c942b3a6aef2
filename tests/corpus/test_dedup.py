"""Gathered text: the first of equal pairs stays, in order, and samples are even and repeatable."""

from collections import Counter
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.corpus.dedup import Gathered, first_of_equals, gather
from seq2seq.corpus.pairs import Pair

PAIRS = [Pair(f"s{number % 70}", f"ü {number % 30}") for number in range(300)]
DISTINCT = list(dict.fromkeys(PAIRS))


def gathered(tmp_path: Path, dropped: Counter[str] | None = None, *, drop_duplicates: bool = True) -> Gathered:
    counts = Counter() if dropped is None else dropped
    return gather(iter(PAIRS), tmp_path / "text", drop_duplicates=drop_duplicates, dropped=counts)


def test_the_first_of_equal_pairs_stays(tmp_path: Path) -> None:
    dropped: Counter[str] = Counter()
    found = gathered(tmp_path, dropped)
    assert list(found) == list(found) == DISTINCT
    assert len(found) == len(DISTINCT)
    assert dropped == {"duplicate": len(PAIRS) - len(DISTINCT)}


def test_equal_pairs_stay_where_they_are_wanted(tmp_path: Path) -> None:
    dropped: Counter[str] = Counter()
    assert list(gathered(tmp_path, dropped, drop_duplicates=False)) == PAIRS
    assert not dropped


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 40), max_size=200))
def test_first_of_equals_is_what_a_set_says(values: list[int]) -> None:
    seen: set[int] = set()
    expected = [not (value in seen or seen.add(value)) for value in values]
    assert first_of_equals(np.array(values, dtype=np.uint64)).tolist() == expected


def test_what_is_unwanted_is_counted(tmp_path: Path) -> None:
    dropped: Counter[str] = Counter()
    found = gathered(tmp_path)
    rest = found.without("short", lambda pair: len(pair.src) == 2, dropped)
    assert list(rest) == [pair for pair in DISTINCT if len(pair.src) != 2]
    assert dropped["short"] == len(DISTINCT) - len(rest)
    assert list(found) == DISTINCT


def test_a_sample_is_even_in_order_and_the_same_each_time(tmp_path: Path) -> None:
    found = gathered(tmp_path)
    sample = list(found.sample(60))
    assert sample == list(gathered(tmp_path).sample(60))
    assert len(set(sample)) == 60
    assert sample == [pair for pair in DISTINCT if pair in set(sample)]
    # 60 of 210 even draws leave one third of the corpus with fewer than 6 once in some 10⁸ corpora.
    thirds = np.histogram([DISTINCT.index(pair) for pair in sample], bins=3, range=(0, len(DISTINCT)))[0]
    assert min(thirds) >= 6
    assert list(found.sample(1000)) == DISTINCT
