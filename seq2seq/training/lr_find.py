"""The learning-rate finder: a short training whose rate rises until the loss diverges.

Greff et al. 2015 found that the learning rate matters most and depends little on the size of the network, so a small
network stands in for the recipe's. They trained with SGD; with Adam the best rate falls as networks widen (Yang et al.
2021), so that one much wider than the stand-in may need a lower rate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from seq2seq.config import Config
from seq2seq.corpus.prepared import prepare, settled
from seq2seq.device import DeviceSpec, gpu_memory, tune_process
from seq2seq.errors import ConfigError
from seq2seq.files.atomic import atomic_replace, check_writable, folder_made, scratch_file
from seq2seq.recipe import load_recipe
from seq2seq.training.trainer import Trainer

# Widest layer of the network that stands in for the recipe's.
_WIDEST = 128
# Adam's steps are about as long as the rate; those of SGD are shorter by the gradient's norm, so it bears more.
_LOWEST, _HIGHEST = 1e-5, {"adam": 1.0, "sgd": 10.0}
# The test stops at a loss this many times the first one, which is that of an untrained network.
_DIVERGED = 1.1
# A fall by a smaller share of the first loss is taken for noise.
_LEAST_FALL = 0.05


@dataclass(frozen=True, slots=True)
class RangeTest:
    """The result of a range test; the three sequences have one number for each update."""

    rates: tuple[float, ...]
    """In geometric progression, up to where the test was stopped."""
    losses: tuple[float, ...]
    """Mean negative log-likelihood of each update's batch, in nats per token; NaN: no finite gradient."""
    smoothed: tuple[float, ...]
    """The losses through :func:`smooth`."""
    suggestion: float | None
    """A learning rate, by :func:`suggest`; None: the loss never fell."""
    plot: Path

    def summary(self) -> str:
        """The suggestion as a setting, or a note that there is none, and the path of the plot."""
        tried = f"{len(self.rates)} updates, rates from {self.rates[0]:.2g} to {self.rates[-1]:.2g}; plot: {self.plot}"
        if self.suggestion is None:
            return (
                f"no learning rate to suggest: the loss never fell from {self.losses[0]:.2f} nats per token ({tried})"
            )
        return f"training.learning_rate={self.suggestion:.2g} ({tried})"


def lr_find(
    recipe: str | Path,
    *,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    device: str = "auto",
    updates: int = 200,
    bounds: tuple[float, float] | None = None,
) -> RangeTest:
    """Suggests a learning rate for a recipe, after a minute's training that leaves nothing but a plot.

    The range test of Smith 2017, §3.3, with a rate that rises geometrically instead of linearly, in float32, so that
    no loss scale is tested along with the rate.

    Args:
        recipe: name of a shipped recipe or path of a TOML file.
        overrides: ``table.key=value`` each.
        out: the plot, SVG or PNG by its suffix; ``runs/<recipe>-lr-find.svg`` if None.
        device: ``auto``, ``cpu``, ``cuda``.
        updates: optimiser steps from the lowest rate to the highest.
        bounds: lowest and highest rate; if None 1e-5 and 1 (Adam) or 10 (SGD).

    Raises:
        Seq2SeqError: settings or data that cannot be used, or a plot that cannot be written.
    """
    config = stand_in(load_recipe(recipe, overrides), updates)
    low, high = bounds or (_LOWEST, _HIGHEST[config.training.optimizer])
    plot = Path(out) if out is not None else Path("runs") / f"{Path(recipe).stem}-lr-find.svg"
    if not (0 < low < high < math.inf and updates >= 2):
        raise ConfigError(f"a range test needs rates 0 < low < high and 2 updates, found {low}, {high} and {updates}")
    if plot.suffix not in (".svg", ".png"):
        raise ConfigError(f"{plot}: the plot's name must end in .svg or .png")
    rates = tuple(np.geomspace(low, high, updates).tolist())
    # With a mean over a tenth of the test, the smoothed loss lags by the same factor in rate at any length.
    span = updates / 10
    with folder_made(plot.parent):
        check_writable(plot)
        losses = _losses(config, device, rates, span)
        rates, smoothed = rates[: len(losses)], smooth(losses, span)
        result = RangeTest(rates, losses, smoothed, suggest(rates, smoothed), plot)
        _draw(result, f"{Path(recipe).stem}: learning-rate range test")
    return result


def stand_in(config: Config, updates: int) -> Config:
    """The recipe with its network narrowed to at most 128 units, trained for some updates without a schedule.

    Widths shrink in proportion and become even, so that equal widths stay equal and even ones even.
    """
    model = config.model
    widest = max(*model.encoder_widths(), *model.decoder_widths(), model.embedding_size)

    def narrow(width: int) -> int:
        narrowed = max(2, width * _WIDEST // widest // 2 * 2)
        return narrowed if width and widest > _WIDEST else width  # a decoder's 0 means "the encoder's"

    def narrow_all(size: int | tuple[int, ...]) -> int | tuple[int, ...]:
        return narrow(size) if isinstance(size, int) else tuple(map(narrow, size))

    small = replace(
        model,
        hidden_size=narrow_all(model.hidden_size),
        decoder_hidden_size=narrow_all(model.decoder_hidden_size),
        embedding_size=narrow(model.embedding_size),
    )
    limits = replace(config.training, max_updates=updates, max_epochs=0.0, max_minutes=0.0, patience=0)
    return replace(config, model=small, training=replace(limits, schedule="constant", warmup_updates=0))


def smooth(losses: Sequence[float], span: float) -> tuple[float, ...]:
    """Exponential mean over about ``span`` losses, corrected for its start at 0 (Kingma & Ba 2015, §3)."""
    keep = 1 - 1 / max(span, 1.0)
    mean, means = 0.0, []
    for count, loss in enumerate(losses, start=1):
        mean = keep * mean + (1 - keep) * loss
        means.append(mean / (1 - keep**count))
    return tuple(means)


def suggest(rates: Sequence[float], smoothed: Sequence[float]) -> float | None:
    """A tenth of the rate at which the loss is lowest: fastai's rule ``minimum``.

    The other usual rule, the steepest fall, finds where learning is quickest, which says little about the largest good
    rate; docs/log.md compares both. Long trainings of wide networks usually need a lower rate, plain SGD a higher one.

    Args:
        rates: rising.
        smoothed: the loss at each rate; ignored from the first that is not finite.

    Returns:
        None if the loss never fell by a twentieth of its first value.
    """
    finite = list(takewhile(math.isfinite, smoothed))
    lowest = min(finite, default=math.inf)
    if not finite or finite[0] - lowest < _LEAST_FALL * finite[0]:
        return None
    return rates[finite.index(lowest)] / 10


def _losses(config: Config, device: str, rates: Sequence[float], span: float) -> tuple[float, ...]:
    """The loss of each update's batch, up to the last rate or until training diverges."""
    device_spec = DeviceSpec.pick(device, "fp32")
    tune_process(device_spec)
    finetune_rate = config.training.finetune_learning_rate
    prepared = prepare(config)
    trainer = Trainer.of(settled(config, prepared, gpu_memory(device_spec.device)), prepared, device_spec)
    trainer.schedule = lambda position: (rates[position.updates], finetune_rate)
    losses: list[float] = []
    for _ in tqdm(trainer.steps(), total=len(rates), desc="range test", unit=" updates", disable=None):
        numbers = trainer.read_window()
        losses.append(numbers.get("loss", math.nan))
        if not smooth(losses, span)[-1] <= _DIVERGED * losses[0]:  # also ends at NaN
            break
    return tuple(losses)


def _draw(result: RangeTest, title: str) -> None:
    """Plots loss against rate and marks the suggestion."""
    from matplotlib.figure import Figure  # takes a second to import; without pyplot it needs no display

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(result.rates, result.losses, color="tab:blue", alpha=0.3, linewidth=1, label="each batch")
    axes.plot(result.rates, result.smoothed, color="tab:blue", linewidth=2, label="smoothed")
    if result.suggestion is not None:
        axes.axvline(result.suggestion, color="tab:red", linestyle="--", label=f"suggestion: {result.suggestion:.2g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss (nats per token)", title=title)
    # A single exploding batch must not flatten the curve.
    axes.set_ylim(top=min(axes.get_ylim()[1], 2 * result.losses[0]))
    axes.grid(alpha=0.3)
    axes.legend()
    with scratch_file(result.plot) as scratch:
        figure.savefig(scratch, dpi=150, format=result.plot.suffix.removeprefix("."))
        atomic_replace(scratch, result.plot)
