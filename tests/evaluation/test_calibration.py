"""Calibration: every token is in one bin, and the error is the distance that it claims to be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.evaluation.calibration import calibration


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1))
def test_every_token_is_in_one_bin_and_the_error_is_a_share(guesses: list[tuple[float, bool]]) -> None:
    found = calibration([value for value, _ in guesses], [right for _, right in guesses])
    assert sum(one.tokens for one in found.bins) == len(guesses)
    for one in found.bins:
        assert one.low - 1e-9 <= one.confidence <= one.high + 1e-9
    assert 0 <= found.error <= 1
    hits = sum(one.tokens * one.accuracy for one in found.bins)
    assert hits == pytest.approx(sum(right for _, right in guesses))


def test_a_model_that_knows_how_much_it_knows_has_no_error() -> None:
    found = calibration([0.75] * 4 + [1.0] * 3, [True, True, True, False, True, True, True])
    assert found.error == pytest.approx(0)
    assert [one.tokens for one in found.bins] == [4, 3]


def test_a_model_that_is_too_sure_has() -> None:
    assert calibration([0.95] * 10, [True] * 6 + [False] * 4).error == pytest.approx(0.35)


def test_no_token_is_refused() -> None:
    with pytest.raises(ValueError, match="no tokens"):
        calibration([], [])
