"""Learning rates against the formulas of the papers, and when a training ends."""

import math
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from seq2seq.config import TrainingConfig
from seq2seq.runs.history import Position
from seq2seq.training.schedule import Decay, in_words, is_finished, learning_rates, minutes_left, progress


def rate(position: Position, **settings: object) -> float:
    """The model's rate; the backbone's follows the same schedule from a value of its own."""
    config = TrainingConfig(**({"learning_rate": 0.7, "finetune_learning_rate": 0.07} | settings))
    model, backbone = learning_rates(position, config, Decay.of(config))
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


@given(st.integers(0, 300), st.integers(0, 200), st.floats(0, 3), st.floats(0, 40), st.integers(0, 20))
def test_a_linear_schedule_with_unchanged_limits_is_the_old_formula(
    updates: int, most: int, epochs: float, minutes: float, warmup: int
) -> None:
    config = TrainingConfig(max_updates=most, max_epochs=epochs, max_minutes=minutes, warmup_updates=warmup)
    position = at(updates)
    limits = ((updates, most), (position.epochs, epochs), (position.minutes, minutes))
    share = max((done / limit for done, limit in limits if limit), default=0.0)
    warm_up = min(1.0, (updates + 1) / warmup) if warmup else 1.0
    decay = Decay.of(config).changed(at(updates // 2), config)
    assert learning_rates(position, config, decay)[0] == 0.002 * (warm_up * max(0.0, 1.0 - share))


def course(calls: list[tuple[int, TrainingConfig]]) -> list[float]:
    """Factors of all updates of a training that is called repeatedly, each time up to some update."""
    decay, factors = Decay.of(calls[0][1]), []
    for stop, config in calls:
        decay = decay.changed(at(len(factors)), config)
        while len(factors) < stop and progress(at(len(factors)), config) < 1:
            factors.append(decay.at(at(len(factors))))
    return factors


def limited(updates: int, unit: int) -> TrainingConfig:
    """A limit of so many updates, expressed in updates, epochs or minutes."""
    name, scale = (("max_updates", 1), ("max_epochs", 100), ("max_minutes", 10))[unit]
    return TrainingConfig(**{name: updates / scale if scale > 1 else updates})


@given(st.integers(1, 60), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 2)), max_size=4))
@example(20, [(0, 5, 0)])
@example(20, [(0, 5, 1), (0, 30, 2)])
def test_no_extension_makes_the_learning_rate_jump(first: int, extensions: list[tuple[int, int, int]]) -> None:
    """Each extension comes some updates before the end of what it extends, or after it has finished."""
    ends = [(first, 0)]
    for _, more, unit in extensions:
        ends.append((ends[-1][0] + more, unit))
    stops = [max(0, end - before) for (end, _), (before, _, _) in zip(ends, extensions, strict=False)]
    stops = [max(stops[: number + 1]) for number in range(len(stops))]
    factors = course([(stop, limited(*end)) for stop, end in zip([*stops, 9999], ends, strict=True)])
    steepest = 1 / first
    assert max((abs(b - a) for a, b in pairwise(factors)), default=0) <= steepest * (1 + 1e-9)
    assert factors[0] == 1
    assert factors[-1] <= steepest * (1 + 1e-9)
    assert min(factors) >= 0


def test_an_extended_schedule_joins_the_line_to_its_new_end() -> None:
    short, long = TrainingConfig(max_updates=100), TrainingConfig(max_updates=300)
    for stop in (50, 100):  # in the middle, and finished
        factors = course([(stop, short), (9999, long)])
        assert factors[: stop + 1] == pytest.approx([1 - n / 100 for n in range(stop + 1)])
        assert factors[stop + 50 :] == pytest.approx([1 - n / 300 for n in range(stop + 50, 300)])
        assert all(b > a for a, b in pairwise(factors[stop : stop + 25]))


def test_an_end_that_comes_nearer_is_reached_in_a_straight_line() -> None:
    factors = course([(50, TrainingConfig(max_updates=100)), (9999, TrainingConfig(max_updates=75))])
    assert factors == pytest.approx([1 - n / 100 for n in range(50)] + [0.5 * (1 - n / 25) for n in range(25)])


HUGE = 10**400
integers = st.sampled_from([0, 1, 2, 1000, 2**63, HUGE])
lengths = st.sampled_from([0.0, 5e-324, 1e-9, 1.0, 1e300, math.inf])
positions = st.builds(
    Position,
    updates=st.sampled_from([0, 1, 999, 10**12]),
    epochs=st.sampled_from([0.0, 1e-12, 7.5, 1e9]),
    minutes=st.sampled_from([0.0, 1e-12, 14.8, 1e9]),
)


@given(
    st.builds(
        TrainingConfig,
        schedule=st.sampled_from(["constant", "linear", "inverse-sqrt", "halving"]),
        learning_rate=st.sampled_from([0.0, 5e-324, 1e-9, 0.002, 100.0]),
        finetune_learning_rate=st.sampled_from([0.0, 100.0]),
        warmup_updates=integers,
        halve_after_epochs=lengths,
        max_updates=integers,
        max_epochs=lengths,
        max_minutes=lengths,
    ),
    positions,
    positions,
    integers,
)
@example(TrainingConfig(schedule="inverse-sqrt", warmup_updates=HUGE, patience=1), Position(), at(1), 0)
@example(TrainingConfig(max_updates=HUGE), Position(), at(1), 0)
def test_whatever_settings_are_accepted_learning_rates_and_times_are_numbers(
    config: TrainingConfig, one: Position, other: Position, limit: int
) -> None:
    before = Position(
        updates=min(one.updates, other.updates),
        epochs=min(one.epochs, other.epochs),
        minutes=min(one.minutes, other.minutes),
    )
    now = Position(
        updates=max(one.updates, other.updates),
        epochs=max(one.epochs, other.epochs),
        minutes=max(one.minutes, other.minutes),
    )
    first = TrainingConfig(max_updates=limit)
    for decay in (Decay.of(config), Decay.of(first).changed(before, config)):
        model, backbone = learning_rates(now, config, decay)
        assert 0 <= model <= config.learning_rate
        assert 0 <= backbone <= config.finetune_learning_rate
    assert 0 <= progress(now, config) <= 1
    left = minutes_left(before, now, config)
    assert left is None or 0 <= left < math.inf
    assert len(in_words(left or 0)) < 25


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
