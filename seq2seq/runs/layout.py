"""Names of a run's files, and its settings; without importing torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

from seq2seq.config import Config
from seq2seq.errors import ConfigError, RunError
from seq2seq.recipe import load_recipe
from seq2seq.version import __version__

CONFIG, MODEL, EVALUATION, LOG = "config.toml", "model.safetensors", "evaluation.json", "log.jsonl"
CARD, REPORT, CHECKPOINTS = "README.md", "report.html", "checkpoints"


def run_name(run: Path) -> str:
    """A run's name, its folder's, as text whatever its bytes and the locale are."""
    return run.resolve().name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def outputs_name(split: str) -> str:
    """Name of the table of a split's outputs."""
    return f"outputs.{split}.tsv"


def settled_overrides(manifest: Mapping[str, Any]) -> list[str]:
    """What each ``auto`` of a run's settings became in training, as ``table.key=value``."""
    settled = manifest.get("settled")
    return [f"{key}={value}" for key, value in settled.items()] if isinstance(settled, dict) else []


def read_config(folder: Path, overrides: Sequence[str] = ()) -> Config:
    """The settings of a run.

    Args:
        folder: of the run.
        overrides: ``table.key=value`` each.

    Raises:
        RunError: the folder is not a run, or its settings are not of this version.
        ConfigError: the overrides are wrong.
    """
    require_folder(folder)
    path = folder / CONFIG
    if not path.is_file():
        raise RunError(f"{folder} holds no {CONFIG}: expected a run, as 'seq2seq train RECIPE' makes it")
    try:
        config = load_recipe(str(path))
    except ConfigError as error:
        raise RunError(
            f"{path} cannot be used by seq2seq {__version__}: it is damaged, or of a run that another version made and "
            f"that must be trained again ({shorten(str(error), 160)})"
        ) from None
    return load_recipe(str(path), overrides) if overrides else config


def require_folder(run: Path) -> None:
    """Raises RunError unless a run is a folder, and not a checkpoint of a run."""
    if not run.is_dir():
        raise RunError(f"{run} is not a folder: expected a run, as 'seq2seq train RECIPE' makes it")
    checkpoints = run.resolve().parent
    if checkpoints.name == CHECKPOINTS and not (run / CONFIG).is_file():
        raise RunError(
            f"{run} is a checkpoint of the run {checkpoints.parent}: expected the run itself; "
            "'seq2seq average RUN CHECKPOINT … --out DIR' takes checkpoints after their run"
        )
