"""How far training has come, when it ends, and its learning rates."""

import math
from dataclasses import astuple, dataclass

from seq2seq.config import TrainingConfig
from seq2seq.runs.history import Position

_HALVE_EVERY_EPOCHS = 0.5  # Sutskever et al. 2014, §3.4


BEGINNING = Position()


@dataclass(frozen=True, kw_only=True, slots=True)
class Decay:
    """The factor of a ``linear`` schedule: from 1 at the beginning to 0 at the limit that comes first.

    A training that goes on with other limits goes on from the factor that it has, since a sudden rise of the learning
    rate undoes what was learnt. With later limits the factor rises to the line that the new limits would have had from
    the beginning, in each update by as much as an update has lowered it so far, and follows that line to 0. With
    earlier limits it falls in a straight line to the new end.
    """

    limits: tuple[float, ...]
    """Updates, epochs and minutes after which training ends; 0: no such limit."""
    start: Position = BEGINNING
    """Where the limits were last changed."""
    factor: float = 1.0
    """At ``start``."""

    @classmethod
    def of(cls, config: TrainingConfig) -> "Decay":
        """Of a training that begins."""
        return cls(limits=_limits(config))

    def changed(self, position: Position, config: TrainingConfig) -> "Decay":
        """That of a training that goes on from a position; the same if its limits are."""
        limits = _limits(config)
        return self if limits == self.limits else Decay(limits=limits, start=position, factor=self.at(position))

    def at(self, position: Position) -> float:
        """The factor of the next update."""
        line = 1.0 - _share(BEGINNING, position, self.limits)
        falling = self.factor * (1.0 - _share(self.start, position, self.limits))
        slope = (1.0 - self.factor) / max(self.start.updates, 1)
        rising = self.factor + slope * (position.updates - self.start.updates)
        return min(rising, max(line, falling))


def _limits(config: TrainingConfig) -> tuple[float, ...]:
    return config.max_updates, config.max_epochs, config.max_minutes


def _share(start: Position, position: Position, limits: tuple[float, ...]) -> float:
    """Share of the way from ``start`` to the limit that comes first that is done, 0 to 1; 0 if there is no limit."""
    begun, now = (astuple(place) for place in (start, position))
    ways = [(b - a, limit - a) for a, b, limit in zip(begun, now, limits, strict=True) if limit]
    return min(1.0, max((done / whole if whole > 0 else 1.0 for done, whole in ways), default=0.0))


def progress(position: Position, config: TrainingConfig) -> float:
    """Share of training that is done, by the limit that comes first, 0 to 1; 0 if there is none.

    Where ``max_minutes`` comes first, the weights depend on the machine's speed: only trainings limited by updates or
    epochs can be repeated bit by bit.
    """
    return _share(BEGINNING, position, _limits(config))


def is_finished(position: Position, stale: int, config: TrainingConfig) -> bool:
    """True once a limit is reached, or patience after ``stale`` validations without a better one."""
    return progress(position, config) >= 1 or 0 < config.patience <= stale


def minutes_left(since: Position, now: Position, config: TrainingConfig) -> float | None:
    """Minutes until the limit that comes first, at the pace since an earlier position; None where it cannot be told.

    The pace includes the validations between the two positions. An end by patience is not foreseen.
    """
    left = [config.max_minutes - now.minutes] if config.max_minutes else []
    # Not one limit after the other: a share is a number even where a limit has 400 digits.
    if share := _share(since, now, (config.max_updates, config.max_epochs, 0)):
        left.append((now.minutes - since.minutes) * (1 - share) / share)
    return max(0.0, min(left)) if left and min(left) < math.inf else None


def in_words(minutes: float) -> str:
    """A length of time in its largest unit of which it holds two: ``"90 seconds"``, ``"10 hours"``."""
    for unit, size in (("days", 1440), ("hours", 60), ("minutes", 1)):
        if minutes >= 2 * size:
            return f"{round(minutes / size):.9g} {unit}"
    return f"{60 * minutes:.0f} seconds"


def learning_rates(position: Position, config: TrainingConfig, decay: Decay) -> tuple[float, float]:
    """Learning rates of the next update: that of the model, and that of the backbone of an image encoder.

    Args:
        position: how far training has come.
        config: the ``[training]`` table.
        decay: of the ``linear`` schedule.
    """
    factor = _factor(position, config, decay)
    return config.learning_rate * factor, config.finetune_learning_rate * factor


def _factor(position: Position, config: TrainingConfig, decay: Decay) -> float:
    update = position.updates + 1
    warm_up = min(1.0, update / config.warmup_updates) if config.warmup_updates else 1.0
    match config.schedule:
        case "constant":
            return warm_up
        case "linear":
            return warm_up * decay.at(position)
        case "inverse-sqrt":
            # Vaswani et al. 2017, §5.3, scaled to reach 1 at the end of the warm-up.
            return warm_up if warm_up < 1 else math.sqrt(max(config.warmup_updates, 1) / update)
        case "halving":
            past = position.epochs - config.halve_after_epochs
            halvings = 0 if past < 0 else 1 + math.floor(past / _HALVE_EVERY_EPOCHS)
            return float(warm_up * 0.5**halvings)
