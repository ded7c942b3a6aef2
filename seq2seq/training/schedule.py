"""How far training has come, when it ends, and its learning rates."""

import math
from dataclasses import dataclass

from seq2seq.config import TrainingConfig

_HALVE_EVERY_EPOCHS = 0.5  # Sutskever et al. 2014, §3.4


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """How far training has come."""

    updates: int = 0
    epochs: float = 0.0
    """Passes over the corpus, with the fraction of the current one."""
    minutes: float = 0.0


def progress(position: Position, config: TrainingConfig) -> float:
    """Share of training that is done, by the limit that comes first; 0 if there is none.

    Where ``max_minutes`` comes first, the weights depend on the machine's speed: only trainings limited by updates or
    epochs can be repeated bit by bit.
    """
    shares = (
        (position.updates, config.max_updates),
        (position.epochs, config.max_epochs),
        (position.minutes, config.max_minutes),
    )
    return max((done / limit for done, limit in shares if limit), default=0.0)


def is_finished(position: Position, stale: int, config: TrainingConfig) -> bool:
    """True once a limit is reached, or patience after ``stale`` validations without a better one."""
    return progress(position, config) >= 1 or 0 < config.patience <= stale


def minutes_left(since: Position, now: Position, config: TrainingConfig) -> float | None:
    """Minutes until the limit that comes first, at the pace since an earlier position; None where it cannot be told.

    The pace includes the validations between the two positions. An end by patience is not foreseen.
    """
    left = [config.max_minutes - now.minutes] if config.max_minutes else []
    passed = now.minutes - since.minutes
    for before, after, limit in (
        (since.updates, now.updates, config.max_updates),
        (since.epochs, now.epochs, config.max_epochs),
    ):
        if limit and after > before:
            left.append((limit - after) * passed / (after - before))
    return max(0.0, min(left)) if left else None


def in_words(minutes: float) -> str:
    """A length of time in its largest unit of which it holds two: ``"90 seconds"``, ``"10 hours"``."""
    for unit, size in (("days", 1440), ("hours", 60), ("minutes", 1)):
        if minutes >= 2 * size:
            return f"{minutes / size:.0f} {unit}"
    return f"{60 * minutes:.0f} seconds"


def learning_rates(position: Position, config: TrainingConfig) -> tuple[float, float]:
    """Learning rates of the next update: that of the model, and that of the backbone of an image encoder."""
    factor = _factor(position, config)
    return config.learning_rate * factor, config.finetune_learning_rate * factor


def _factor(position: Position, config: TrainingConfig) -> float:
    update = position.updates + 1
    warm_up = min(1.0, update / config.warmup_updates) if config.warmup_updates else 1.0
    match config.schedule:
        case "constant":
            return warm_up
        case "linear":
            return warm_up * max(0.0, 1.0 - progress(position, config))
        case "inverse-sqrt":
            # Vaswani et al. 2017, §5.3, scaled to reach 1 at the end of the warm-up.
            return min(warm_up, math.sqrt(max(config.warmup_updates, 1) / update))
        case "halving":
            past = position.epochs - config.halve_after_epochs
            halvings = 0 if past < 0 else 1 + math.floor(past / _HALVE_EVERY_EPOCHS)
            return float(warm_up * 0.5**halvings)
