"""Two systems sentence by sentence."""

from hypothesis import given
from hypothesis import strategies as st

from seq2seq.evaluation.contest import Contest, contest

scores = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30)


@given(scores)
def test_sides_that_change_places_change_wins_and_losses(pairs: list[tuple[int, int]]) -> None:
    first, second = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    one, other = contest(first, second), contest(second, first)
    assert (one.wins, one.losses, one.gained, one.lost) == (other.losses, other.wins, other.lost, other.gained)
    assert one.wins + one.ties + one.losses == len(pairs)
    assert one == contest([-score for score in first], [-score for score in second], higher_is_better=False)


def test_the_largest_gains_and_losses_come_first() -> None:
    found = contest([1, 5, 5, 0, 2, 2], [3, 1, 4, 9, 2, 2 + 1e-12], most=2)
    assert found == Contest(wins=2, ties=2, losses=2, gained=[3, 0], lost=[1, 2])
    assert contest([0, 0, 0], [1, 3, 2], most=1).gained == [1]
