"""How the learning rate moves over training."""

import math
from dataclasses import dataclass

from seq2seq.config import TrainingConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """How far training has come."""

    updates: int = 0
    epochs: float = 0.0
    """Passes over the corpus, with the fraction of the current one."""
    minutes: float = 0.0


def progress(position: Position, config: TrainingConfig) -> float:
    """Share of training that is done, by whichever limit comes first; 0 if there is none.

    Where ``max_minutes`` comes first, what is learned depends on the machine's speed: a training that
    shall be repeated bit by bit is limited by updates or epochs.
    """
    shares = (
        (position.updates, config.max_updates),
        (position.epochs, config.max_epochs),
        (position.minutes, config.max_minutes),
    )
    return max((done / limit for done, limit in shares if limit), default=0.0)


def minutes_left(since: Position, now: Position, config: TrainingConfig) -> float | None:
    """Minutes until the limit that comes first, at the pace since another position; None where nothing tells.

    Validations that lie between the two count with what they took. That patience may run out is not foreseen.
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
    """A length of time in the unit that suits it."""
    for unit, size in (("days", 1440), ("hours", 60), ("minutes", 1)):
        if minutes >= 2 * size:
            return f"{minutes / size:.0f} {unit}"
    return f"{60 * minutes:.0f} seconds"


def learning_rate(position: Position, config: TrainingConfig) -> float:
    """The learning rate of the update that comes next."""
    return config.learning_rate * _factor(position, config)


def finetune_rate(position: Position, config: TrainingConfig) -> float:
    """The same for the backbone of an image encoder."""
    return config.finetune_learning_rate * _factor(position, config)


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
            # Sutskever et al. 2014, §3.4: after 5 epochs, halve every half epoch.
            past = position.epochs - config.halve_after_epochs
            halvings = 0 if past < 0 else 1 + math.floor(past / 0.5)
            return float(warm_up * 0.5**halvings)
