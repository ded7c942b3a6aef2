"""Learning rates against the formulas of the papers."""

import pytest

from seq2seq.config import TrainingConfig
from seq2seq.training.schedule import Position, learning_rates, progress


def rate(position: Position, **settings: object) -> float:
    return learning_rates(position, TrainingConfig(**({"learning_rate": 0.7} | settings)))[0]


@pytest.mark.parametrize(
    ("epochs", "halvings"), [(0, 0), (4.99, 0), (5.0, 1), (5.49, 1), (5.5, 2), (6.2, 3), (7.0, 5), (7.49, 5)]
)
def test_the_papers_rate_is_halved_every_half_epoch_after_five(epochs: float, halvings: int) -> None:
    assert rate(Position(epochs=epochs), schedule="halving") == pytest.approx(0.7 / 2**halvings)


def test_warm_up_is_linear_and_starts_above_zero() -> None:
    rates = [rate(Position(updates=n), schedule="constant", warmup_updates=4) for n in range(6)]
    assert rates == pytest.approx([0.175, 0.35, 0.525, 0.7, 0.7, 0.7])


def test_linear_decay_ends_at_zero() -> None:
    rates = [rate(Position(updates=n), schedule="linear", max_updates=10) for n in range(11)]
    assert rates == pytest.approx([0.7 * (1 - n / 10) for n in range(11)])


def test_inverse_square_root_is_continuous_at_the_end_of_warm_up() -> None:
    settings = {"schedule": "inverse-sqrt", "warmup_updates": 100}
    assert rate(Position(updates=99), **settings) == pytest.approx(0.7)
    assert rate(Position(updates=399), **settings) == pytest.approx(0.35)


def test_progress_is_that_of_the_nearest_limit() -> None:
    config = TrainingConfig(max_updates=100, max_epochs=4, max_minutes=10)
    assert progress(Position(updates=10, epochs=1, minutes=2), config) == 0.25
    assert progress(Position(updates=10, epochs=1, minutes=9), config) == 0.9
    assert progress(Position(updates=10), TrainingConfig(patience=1)) == 0
