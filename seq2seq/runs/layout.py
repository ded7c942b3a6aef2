"""Names of a run's files, and its settings; without importing torch."""

from pathlib import Path

from seq2seq.config import Config
from seq2seq.errors import ConfigError, RunError
from seq2seq.recipe import load_recipe

CONFIG, MODEL, EVALUATION, LOG, CARD, REPORT = (
    "config.toml",
    "model.safetensors",
    "evaluation.json",
    "log.jsonl",
    "README.md",
    "report.html",
)
CHECKPOINTS = "checkpoints"


def run_name(run: Path) -> str:
    """A run's name, its folder's, as text whatever its bytes and the locale are."""
    return run.resolve().name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def read_config(folder: Path) -> Config:
    """The settings of a run.

    Raises:
        RunError: the folder is not a run, or its settings are not of this version.
    """
    require_folder(folder)
    path = folder / CONFIG
    if not path.is_file():
        raise RunError(f"{folder} holds no {CONFIG}: expected a run, as 'seq2seq train' makes it")
    try:
        return load_recipe(str(path))
    except ConfigError as error:
        raise RunError(f"{path} cannot be used: {error}") from None


def require_folder(run: Path) -> None:
    """Raises RunError unless a run is a folder."""
    if not run.is_dir():
        raise RunError(f"{run} is not a folder: expected a run, as 'seq2seq train' makes it")
