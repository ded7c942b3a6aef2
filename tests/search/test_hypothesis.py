"""Scores by length."""

import pytest

from seq2seq.config import DecodingConfig
from seq2seq.search.hypothesis import Hypothesis, Ranking, best_first


@pytest.mark.parametrize(
    ("tokens", "alpha", "divisor"),
    [
        # ((5 + length) / 6) ** α, where the end mark counts: 1 for an empty output, 2 for six tokens.
        (0, 0.6, 1.0),
        (0, 2.0, 1.0),
        (6, 0.0, 1.0),
        (6, 1.0, 2.0),
        (6, 2.0, 4.0),
        (18, 0.5, 2.0),
        (18, 1.0, 4.0),
        (48, 0.5, 3.0),
    ],
)
def test_gnmt_divides_by_the_length_penalty_of_wu_et_al(tokens: int, alpha: float, divisor: float) -> None:
    assert Ranking(length_penalty=alpha).score(-3.0, tokens) == pytest.approx(-3.0 / divisor)


@pytest.mark.parametrize(("tokens", "divisor"), [(0, 1), (1, 2), (9, 10)])
def test_average_divides_by_the_tokens_with_the_end_mark(tokens: int, divisor: int) -> None:
    assert Ranking(normalisation="average", length_penalty=3.0).score(-3.0, tokens) == pytest.approx(-3.0 / divisor)


def test_none_divides_by_nothing() -> None:
    assert Ranking(normalisation="none", length_penalty=3.0).score(-3.0, 9) == -3.0


def test_a_ranking_is_the_one_of_the_settings() -> None:
    assert Ranking.of(DecodingConfig()) == Ranking(normalisation="gnmt", length_penalty=1.0) == Ranking()
    options = DecodingConfig(normalisation="average", length_penalty=0.3)
    assert Ranking.of(options) == Ranking(normalisation="average", length_penalty=0.3)


def test_the_best_comes_first_and_equals_keep_their_order() -> None:
    hypotheses = [Hypothesis((number,), 0.0, score) for number, score in enumerate([-2.0, -1.0, -3.0, -1.0])]
    assert [hypothesis.tokens[0] for hypothesis in best_first(hypotheses)] == [1, 3, 0, 2]
