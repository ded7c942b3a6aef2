"""Learning rates against the formulas of the papers, and when a training ends."""

import pytest

from seq2seq.config import TrainingConfig
from seq2seq.training.schedule import Position, in_words, is_finished, learning_rates, minutes_left, progress


def rate(position: Position, **settings: object) -> float:
    """The model's rate; the backbone's follows the same schedule from a value of its own."""
    config = TrainingConfig(**({"learning_rate": 0.7, "finetune_learning_rate": 0.07} | settings))
    model, backbone = learning_rates(position, config)
    assert backbone == pytest.approx(model / 10)
    return model


def at(updates: int) -> Position:
    return Position(updates=updates, epochs=updates / 100, minutes=updates / 10)


@pytest.mark.parametrize(
    ("epochs", "halvings"), [(0, 0), (4.99, 0), (5.0, 1), (5.49, 1), (5.5, 2), (6.2, 3), (7.0, 5), (7.49, 5)]
)
def test_the_papers_rate_is_halved_every_half_epoch_after_five(epochs: float, halvings: int) -> None:
    assert rate(Position(epochs=epochs), schedule="halving") == pytest.approx(0.7 / 2**halvings)
    assert rate(Position(epochs=epochs - 3), schedule="halving", halve_after_epochs=2) == pytest.approx(
        0.7 / 2**halvings
    )


@pytest.mark.parametrize("schedule", ["constant", "linear", "halving"])
def test_warm_up_is_linear_and_starts_above_zero(schedule: str) -> None:
    settings = {"schedule": schedule, "warmup_updates": 4, "max_epochs": 1}
    assert [rate(Position(updates=n), **settings) for n in range(6)] == pytest.approx([0.175, 0.35, 0.525, *[0.7] * 3])


def test_linear_decay_ends_at_zero() -> None:
    rates = [rate(Position(updates=n), schedule="linear", max_updates=10) for n in range(13)]
    assert rates == pytest.approx([0.7 * (1 - n / 10) for n in range(11)] + [0, 0])


def test_inverse_square_root_is_continuous_at_the_end_of_warm_up() -> None:
    settings = {"schedule": "inverse-sqrt", "warmup_updates": 100}
    assert rate(Position(updates=49), **settings) == pytest.approx(0.35)
    assert rate(Position(updates=99), **settings) == pytest.approx(0.7)
    assert rate(Position(updates=399), **settings) == pytest.approx(0.35)
    plain = [rate(Position(updates=n), schedule="inverse-sqrt") for n in (0, 1, 3, 24)]
    assert plain == pytest.approx([0.7, 0.7 / 2**0.5, 0.35, 0.14])


def test_progress_is_that_of_the_nearest_limit() -> None:
    config = TrainingConfig(max_updates=100, max_epochs=4, max_minutes=10)
    assert progress(Position(updates=10, epochs=1, minutes=2), config) == 0.25
    assert progress(Position(updates=10, epochs=1, minutes=9), config) == 0.9
    assert progress(Position(updates=30, epochs=1, minutes=2), config) == 0.3
    assert progress(Position(updates=10), TrainingConfig(patience=1)) == 0


def test_training_ends_at_a_limit_or_when_patience_has_run_out() -> None:
    limits = TrainingConfig(max_updates=100)
    assert [is_finished(Position(updates=n), 99, limits) for n in (99, 100, 101)] == [False, True, True]
    patient = TrainingConfig(patience=2, max_updates=100)
    assert [is_finished(Position(), stale, patient) for stale in range(4)] == [False, False, True, True]
    assert is_finished(Position(updates=100), 0, patient)
    assert is_finished(Position(), 1, TrainingConfig(patience=1))


def test_time_left_is_that_of_the_limit_that_comes_first() -> None:
    config = TrainingConfig(max_updates=1000, max_epochs=4.0, max_minutes=50.0)
    # Ten updates a minute: 900 updates take 90 minutes, 3 epochs 30, and the clock stops after 40.
    assert minutes_left(Position(), at(100), config) == pytest.approx(30)
    assert minutes_left(Position(), at(100), TrainingConfig(max_updates=1000)) == pytest.approx(90)
    assert minutes_left(at(100), at(100), TrainingConfig(max_updates=1000)) is None
    assert minutes_left(at(100), at(100), TrainingConfig(max_minutes=50)) == pytest.approx(40)
    assert minutes_left(Position(), at(100), TrainingConfig(patience=3, schedule="constant")) is None
    assert minutes_left(Position(), at(100), TrainingConfig(max_updates=50)) == 0
    # The pace of an earlier call does not count.
    slow = Position(updates=100, epochs=1.0, minutes=1000.0)
    after = Position(updates=200, epochs=2.0, minutes=1010.0)
    assert minutes_left(slow, after, TrainingConfig(max_updates=1000)) == pytest.approx(80)
    assert minutes_left(slow, after, TrainingConfig(max_epochs=10)) == pytest.approx(80)


def test_lengths_of_time() -> None:
    times = {0: "0 seconds", 1.5: "90 seconds", 1.99: "119 seconds", 2: "2 minutes", 119: "119 minutes"}
    times |= {120: "2 hours", 600: "10 hours", 2879: "48 hours", 2880: "2 days", 60 * 24 * 3: "3 days"}
    assert {minutes: in_words(minutes) for minutes in times} == times
