"""Recurrent sequence-to-sequence models that you train on your own pairs.

Two calls make a translator and use it::

    run = seq2seq.train("tatoeba-en-es")
    translator = seq2seq.load(run)
    print(translator.translate(["Where is the train station?"])[0].text)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seq2seq.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from seq2seq.decoding.translator import Translator

__all__ = ["__version__", "load", "train"]


def train(recipe: str, *, run: str | Path | None = None, overrides: Sequence[str] = ()) -> Path:
    """Trains a recipe, or resumes its interrupted training, and evaluates it.

    Args:
        recipe: name of a shipped recipe or path of a TOML file.
        run: folder for the result; ``runs/<recipe>`` if None.
        overrides: ``table.key=value`` each, as ``--set`` on the command line.

    Returns:
        The run folder.

    Raises:
        Seq2SeqError: invalid settings, unusable data, a damaged run.
    """
    # Imported here: torch takes a second to import, and `import seq2seq` should not.
    from seq2seq.training.train import train as train_recipe

    return train_recipe(recipe, run=run, overrides=overrides)


def load(run: str | Path, *, device: str = "auto", precision: str = "fp32") -> Translator:
    """Loads a trained run for translation.

    Args:
        run: the run's folder.
        device: ``auto``, ``cpu``, ``cuda``, …
        precision: ``fp32``, ``bf16``, ``fp16`` or ``auto``, the fastest of them on that device.

    Raises:
        RunError: the folder is not a complete run, or one of its files is damaged.
    """
    from seq2seq.decoding.translator import Translator

    return Translator.load(run, device=device, precision=precision)
