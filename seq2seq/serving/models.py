"""The served runs: loaded, and chosen by name or languages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from seq2seq.decoding.captioner import Captioner
from seq2seq.decoding.translator import Translator
from seq2seq.device import DeviceSpec
from seq2seq.errors import ConfigError
from seq2seq.runs.layout import CARD, read_config, run_name
from seq2seq.serving.languages import UNKNOWN, fit
from seq2seq.serving.refusal import Refusal
from seq2seq.serving.settings import ServerSettings


class Album:
    """Pictures (3, height, width) by name, for a :class:`Captioner`; the worker's thread alone touches it."""

    def __init__(self) -> None:
        self.pictures: dict[str, Tensor] = {}

    def __call__(self, names: Sequence[str]) -> Tensor:
        """The pictures of these names."""
        return torch.stack([self.pictures[name] for name in names])


@dataclass(frozen=True, slots=True)
class Served:
    """A run in memory."""

    name: str
    predictor: Translator | Captioner
    source: str
    """Language tag; empty for pictures."""
    target: str
    card: str
    """The model card, Markdown; empty if there is none."""
    album: Album = field(default_factory=Album)

    @property
    def reads_images(self) -> bool:
        """Whether sources are pictures."""
        return self.predictor.config.data.reads_images

    @property
    def attends(self) -> bool:
        """Whether the model has attention."""
        return self.predictor.model.decoder.attention is not None


Models = Mapping[str, Served]
"""Served runs by name, in the order of the command line."""


def load_models(settings: ServerSettings) -> Models:
    """Loads every run.

    Raises:
        RunError: one is no complete run, or damaged.
        ConfigError: two have the same name; no such device or precision.
    """
    precision = settings.precision
    if precision == "auto" and DeviceSpec.pick(settings.device).device.type == "cpu":
        precision = "int8"
    models: dict[str, Served] = {}
    for run in settings.runs:
        served = _load(run, settings.device, precision)
        if served.name in models:
            raise ConfigError(f"two runs are named {served.name!r}, and requests name runs: rename one of the folders")
        models[served.name] = served
    return models


def _load(run: Path, device: str, precision: str) -> Served:
    data, album = read_config(run).data, Album()
    predictor: Translator | Captioner
    if data.reads_images:
        predictor = Captioner.load(run, device=device, precision=precision, look_up=album)
    else:
        predictor = Translator.load(run, device=device, precision=precision)
        predictor.best(["a"])  # the first search prepares the others, and no client should wait for that
    card = run / CARD
    return Served(
        name=run_name(run),
        predictor=predictor,
        source="" if data.reads_images else data.src_language or UNKNOWN,
        target=data.tgt_language or UNKNOWN,
        card=card.read_text(encoding="utf-8", errors="replace") if card.is_file() else "",
        album=album,
    )


def choose(models: Models, *, images: bool, name: str = "", source: str = "", target: str = "") -> Served:
    """The run that a request asks for: by name, or the first that fits the languages best.

    Args:
        models: the served runs.
        images: whether it must read pictures.
        name: of the run; empty: any.
        source: language tag; empty: any.
        target: likewise.

    Raises:
        Refusal: 404; there is none.
    """
    fitting = [served for served in models.values() if served.reads_images == images and name in ("", served.name)]
    if not fitting:
        kind = "captions pictures" if images else "translates"
        raise Refusal(404, f"no run{f' named {name!r}' if name else ''} here {kind}; GET /v1/models lists the runs")
    fits = {served.name: _fit(served, source, target) for served in fitting}
    best = max(fitting, key=lambda served: fits[served.name])
    if not fits[best.name]:
        raise Refusal(404, f"no run translates {source or 'any language'} to {target or 'any language'}")
    return best


def _fit(served: Served, source: str, target: str) -> int:
    """How well a run fits the languages that are asked for; 0: not."""
    both = (fit(served.source, source) if source else 1, fit(served.target, target) if target else 1)
    return sum(both) if all(both) else 0
