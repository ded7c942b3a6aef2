"""Buckets share out every sentence once, in order; their scores are those of sacreBLEU over the same sentences."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU

from seq2seq.evaluation.buckets import Bucket, bucket_scores, buckets, frequency_ranks, mean_ranks
from seq2seq.evaluation.statistics import statistics_of
from seq2seq.metrics.scores import reference_streams


@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), st.integers(1, 12))
def test_every_sentence_is_in_one_bucket_and_equal_values_in_the_same(values: list[int], most: int) -> None:
    parts = buckets(values, most)
    assert sorted(number for part in parts for number in part.sentences) == list(range(len(values)))
    assert 1 <= len(parts) <= most
    for part in parts:
        own = [values[number] for number in part.sentences]
        assert (part.low, part.high) == (min(own), max(own))
    assert all(left.high < right.low for left, right in pairwise(parts))


def test_different_values_make_buckets_of_the_same_size() -> None:
    assert [len(part.sentences) for part in buckets(list(range(80))[::-1], 8)] == [10] * 8


def test_the_score_of_a_bucket_is_that_of_its_sentences() -> None:
    outputs = [f"the cat number {n} sat on the mat" if n % 3 else "a dog ran over there now" for n in range(40)]
    references = [[f"the cat number {n} sat on the mat", "a dog ran over there"] for n in range(40)]
    parts = [Bucket(0, 1, [3, 5, 9, 10, 30]), Bucket(2, 3, [0])]
    scores = bucket_scores(statistics_of(BLEU(), outputs, references), parts)
    for part, score in zip(parts, scores, strict=True):
        own = [outputs[number] for number in part.sentences], [references[number] for number in part.sentences]
        expected = BLEU().corpus_score(own[0], reference_streams(own[1])).score
        assert score.score == pytest.approx(expected)
        assert 0 <= score.low <= score.score + 1e-9
        assert score.score - 1e-9 <= score.high <= 100 + 1e-9
    assert scores[0].low < scores[0].high
    assert scores[1].low == scores[1].high  # one sentence has one resample


def test_ranks_count_from_the_most_frequent_word_and_ties_share_them() -> None:
    ranks = frequency_ranks([["a", "b", "a"], ["c", "a", "b", "d"]])
    assert ranks == {"a": 1, "b": 2, "c": 3.5, "d": 3.5}
    assert mean_ranks([["a", "b"], ["unseen"], []], ranks) == [1.5, 5.0, 0.0]
