"""The learning-rate finder: a short training in which the rate climbs until learning breaks down.

Greff et al. 2015 found the learning rate to matter most and to depend little on the size of the network,
so a small one stands in for the recipe's. They trained with SGD; under Adam the best rate falls as a
network widens (Yang et al. 2021), so that one much wider than the stand-in may need a lower rate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from seq2seq.config import Config
from seq2seq.corpus.prepared import prepare
from seq2seq.device import DeviceSpec, tune_process
from seq2seq.errors import ConfigError
from seq2seq.recipe import load_recipe
from seq2seq.training.trainer import Trainer

# Widest layer of the network that stands in for the recipe's.
_WIDEST = 128
# What is worth trying: Adam's steps are as long as the rate itself, plain SGD's as short as the gradient.
_LOWEST, _HIGHEST = 1e-5, {"adam": 1.0, "sgd": 10.0}
# A loss this many times the first one is that of a network worse than an untrained one.
_DIVERGED = 1.1
# Less than this share of the first loss is noise, not a fall.
_LEAST_FALL = 0.05


@dataclass(frozen=True, slots=True)
class RangeTest:
    """What a range test found; the three sequences have one number for each update."""

    rates: tuple[float, ...]
    """In geometric progression, up to where the test was stopped."""
    losses: tuple[float, ...]
    """Mean negative log-likelihood of each update's batch, in nats per token; NaN: no finite gradient."""
    smoothed: tuple[float, ...]
    """The same as :func:`smooth` gives it."""
    suggestion: float | None
    """What :func:`suggest` makes of it; None: the loss never fell."""
    plot: Path

    def summary(self) -> str:
        """The suggestion as a setting, or that there is none, and where to look."""
        tried = f"{len(self.rates)} updates, rates from {self.rates[0]:.2g} to {self.rates[-1]:.2g}; plot: {self.plot}"
        if self.suggestion is None:
            return (
                f"no learning rate to suggest: the loss never fell from {self.losses[0]:.2f} nats per token ({tried})"
            )
        return f"training.learning_rate={self.suggestion:.2g} ({tried})"


def lr_find(
    recipe: str,
    *,
    overrides: Sequence[str] = (),
    out: str | Path | None = None,
    device: str = "auto",
    updates: int = 200,
    bounds: tuple[float, float] | None = None,
) -> RangeTest:
    """Suggests a learning rate for a recipe, after a minute's training that leaves nothing but a plot.

    The range test of Smith 2017, §3.3, with a rate that rises geometrically instead of linearly. It is
    made in float32, so that no loss scale is tested along with the rate.

    Args:
        recipe: name of a shipped recipe or path of a TOML file.
        overrides: ``table.key=value`` each.
        out: the plot, SVG or PNG by its suffix; ``runs/<recipe>-lr-find.svg`` if None.
        device: ``auto``, ``cpu``, ``cuda``.
        updates: optimiser steps from the lowest rate to the highest.
        bounds: these two rates; if None 1e-5 and what suits the optimiser: 1 (Adam) or 10 (SGD).

    Raises:
        Seq2SeqError: settings or data that cannot be used.
    """
    config = stand_in(load_recipe(recipe, overrides), updates)
    low, high = bounds or (_LOWEST, _HIGHEST[config.training.optimizer])
    plot = Path(out) if out is not None else Path("runs") / f"{Path(recipe).stem}-lr-find.svg"
    if not (0 < low < high < math.inf and updates >= 2):
        raise ConfigError(f"a range test needs rates 0 < low < high and 2 updates, found {low}, {high} and {updates}")
    if plot.suffix not in (".svg", ".png"):
        raise ConfigError(f"{plot}: the plot's name must end in .svg or .png")
    rates = tuple(np.geomspace(low, high, updates).tolist())
    # A mean over a tenth of the test lags behind by the same factor in rate, however long the test is.
    span = updates / 10
    losses = _losses(config, device, rates, span)
    rates, smoothed = rates[: len(losses)], smooth(losses, span)
    found = RangeTest(rates, losses, smoothed, suggest(rates, smoothed), plot)
    _draw(found, f"{Path(recipe).stem}: learning-rate range test")
    return found


def stand_in(config: Config, updates: int) -> Config:
    """The same kind of network at most 128 wide, to be trained for some updates at a constant rate.

    Widths shrink in proportion and become even, so those that were equal or could be halved still are.
    """
    model = config.model
    widest = max(*model.encoder_widths(), *model.decoder_widths(), model.embedding_size)

    def narrow(width: int) -> int:
        shrunk = max(2, width * _WIDEST // widest // 2 * 2)
        return shrunk if width and widest > _WIDEST else width  # a decoder's 0 means "the encoder's"

    def narrow_all(size: int | tuple[int, ...]) -> int | tuple[int, ...]:
        return narrow(size) if isinstance(size, int) else tuple(map(narrow, size))

    narrowed = replace(
        model,
        hidden_size=narrow_all(model.hidden_size),
        decoder_hidden_size=narrow_all(model.decoder_hidden_size),
        embedding_size=narrow(model.embedding_size),
    )
    limits = replace(config.training, max_updates=updates, max_epochs=0.0, max_minutes=0.0, patience=0)
    return replace(config, model=narrowed, training=replace(limits, schedule="constant", warmup_updates=0))


def smooth(losses: Sequence[float], span: float) -> tuple[float, ...]:
    """Exponential mean over about ``span`` losses, corrected for its start at 0 (Kingma & Ba 2015, §3)."""
    keep = 1 - 1 / max(span, 1.0)
    mean, means = 0.0, []
    for count, loss in enumerate(losses, start=1):
        mean = keep * mean + (1 - keep) * loss
        means.append(mean / (1 - keep**count))
    return tuple(means)


def suggest(rates: Sequence[float], smoothed: Sequence[float]) -> float | None:
    """A tenth of the rate at which the loss is lowest, the rule that fastai calls ``minimum``.

    The other usual rule, the steepest fall, finds when learning is quickest, which says little about the
    longest good step. Both on three seeds, beside the best of five or six rates in trainings of 500 to
    800 updates with Adam::

        recipe, width of layers                      best     minimum / 10    steepest fall
        tatoeba-en-es, 128                           0.008    0.0062-0.012    0.0006-0.0011
        tatoeba-en-es-attention, 128                 0.008    0.0062-0.013    0.0006-0.0011
        reverse-digits, 128                          0.01     0.0033-0.011    0.0016-0.010
        same, one GRU layer, 64                      0.02     0.0099-0.012    0.021-0.099
        same, one layer, both ways, attention, 64    0.01     0.012-0.024     0.025-0.047

    Long trainings of wide networks usually want less. Plain SGD would bear more: reverse-digits learned
    best in 600 updates at 3, the highest rate tried, where the rule gave 0.2.

    Args:
        rates: rising.
        smoothed: the loss at each; from the first that is not finite on, none counts.

    Returns:
        None where the loss never fell by a twentieth of its first value.
    """
    finite = list(takewhile(math.isfinite, smoothed))
    lowest = min(finite, default=math.inf)
    if not finite or finite[0] - lowest < _LEAST_FALL * finite[0]:
        return None
    return rates[finite.index(lowest)] / 10


def _losses(config: Config, device: str, rates: Sequence[float], span: float) -> tuple[float, ...]:
    """The loss of each update's batch, to the last rate or until training has diverged."""
    device_spec = DeviceSpec.pick(device, "fp32")
    tune_process(device_spec)
    prepared = prepare(config)
    trainer = Trainer.of(config, prepared, device_spec)
    steps = trainer.steps()
    losses: list[float] = []
    for rate in tqdm(rates, desc="range test", unit=" updates", disable=None):
        trainer.config = replace(config.training, learning_rate=rate)
        next(steps)
        numbers = trainer.read_window()
        losses.append(math.nan if numbers["skipped"] else numbers["loss"])
        if not smooth(losses, span)[-1] <= _DIVERGED * losses[0]:  # true of NaN, too
            break
    return tuple(losses)


def _draw(found: RangeTest, title: str) -> None:
    """Loss against rate, the suggestion marked."""
    from matplotlib.figure import Figure  # a second to import; without pyplot it needs no display

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(found.rates, found.losses, color="tab:blue", alpha=0.3, linewidth=1, label="each batch")
    axes.plot(found.rates, found.smoothed, color="tab:blue", linewidth=2, label="smoothed")
    if found.suggestion is not None:
        axes.axvline(found.suggestion, color="tab:red", linestyle="--", label=f"suggestion: {found.suggestion:.2g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="training loss (nats per token)", title=title)
    # One exploding batch must not flatten the curve.
    axes.set_ylim(top=min(axes.get_ylim()[1], 2 * found.losses[0]))
    axes.grid(alpha=0.3)
    axes.legend()
    found.plot.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(found.plot, dpi=150)
