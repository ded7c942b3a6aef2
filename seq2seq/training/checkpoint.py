"""Checkpoints: everything training needs to continue as if it had never stopped.

A checkpoint is a folder ``checkpoints/<updates>`` with safetensors, JSON and a manifest. It is written under another
name and renamed when complete, so that a crash leaves the previous one intact.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from seq2seq.errors import RunError, warn
from seq2seq.files.atomic import atomic_replace, friendly_os_errors, write_atomic
from seq2seq.files.manifest import check_manifest, write_manifest
from seq2seq.files.tensors import load_tensors, save_tensors
from seq2seq.runs.folder import versions
from seq2seq.runs.layout import CHECKPOINTS

TENSORS, _NUMBERS = "tensors.safetensors", "state.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Tensors by name (``model.…`` and ``optimizer.…``) and plain numbers."""

    tensors: dict[str, Tensor]
    numbers: dict[str, Any]

    def copied(self) -> "Checkpoint":
        """A copy in host memory, which training does not change."""
        return Checkpoint({name: tensor.to("cpu", copy=True) for name, tensor in self.tensors.items()}, self.numbers)

    def weights(self) -> dict[str, Tensor]:
        """The model's tensors, named as by :func:`seq2seq.runs.folder.unique_tensors`."""
        prefix = "model."
        return {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}


def save_checkpoint(run: Path, checkpoint: Checkpoint, keep: int) -> None:
    """Writes a checkpoint and removes all but the newest ``keep``.

    Raises:
        RunError: it cannot be written; earlier ones are intact.
    """
    folder = run / CHECKPOINTS / f"{checkpoint.numbers['updates']:08d}"
    scratch = folder.with_name(f"{folder.name}.part")
    with friendly_os_errors(folder):
        try:
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            save_tensors(scratch / TENSORS, checkpoint.tensors)
            write_atomic(scratch / _NUMBERS, json.dumps(checkpoint.numbers, indent=2).encode())
            write_manifest(scratch, [TENSORS, _NUMBERS], {"versions": versions()})
            # What is there, or later, is damaged: training would have continued from it otherwise.
            shutil.rmtree(folder, ignore_errors=True)
            atomic_replace(scratch, folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        for later in checkpoint_folders(run):
            if later.name > folder.name:
                shutil.rmtree(later)
        tidy_checkpoints(run, checkpoint.numbers["updates"], keep)


def tidy_checkpoints(run: Path, updates: int, keep: int) -> None:
    """Removes all but the newest ``keep`` checkpoints up to ``updates``, and the remains of a crash."""
    earlier = [folder for folder in checkpoint_folders(run) if int(folder.name) <= updates]
    for other in (*earlier[keep:], *(run / CHECKPOINTS).glob("*.part")):
        shutil.rmtree(other)


def load_checkpoint(run: Path) -> Checkpoint | None:
    """The newest intact checkpoint, None if there are none; warns of damaged ones.

    Raises:
        RunError: all checkpoints are damaged.
    """
    folders = checkpoint_folders(run)
    for folder in folders:
        try:
            check_manifest(folder)
            numbers = json.loads((folder / _NUMBERS).read_bytes())
            return Checkpoint(load_tensors(folder / TENSORS), numbers)
        except RunError as error:
            warn(f"{error}; going back to the checkpoint before it")
    if folders:
        raise RunError(
            f"no checkpoint in {run / CHECKPOINTS} is whole: choose another folder with --run, or remove this one"
        )
    return None


def checkpoint_folders(run: Path) -> list[Path]:
    """The checkpoints of a run, readable or not, newest first."""
    return sorted((path for path in (run / CHECKPOINTS).glob("*") if path.name.isdecimal()), reverse=True)
