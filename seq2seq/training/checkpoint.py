"""Checkpoints: all that training needs to go on as if it had never stopped.

A checkpoint is a folder ``checkpoints/<updates>`` with safetensors, JSON and a manifest. It is written
under another name and renamed when it is whole, so a crash leaves the one before it.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seq2seq.errors import RunError, warn
from seq2seq.files.atomic import atomic_replace, friendly_os_errors, write_atomic
from seq2seq.files.manifest import check_manifest, write_manifest
from seq2seq.files.tensors import load_tensors, save_tensors
from seq2seq.runs.folder import versions

TENSORS, _NUMBERS = "tensors.safetensors", "state.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Tensors by name (weights, optimiser moments, random states) and plain numbers."""

    tensors: dict[str, Tensor]
    numbers: dict[str, Any]

    def copied(self) -> "Checkpoint":
        """The same in host memory, where training no longer changes it."""
        return Checkpoint({name: tensor.to("cpu", copy=True) for name, tensor in self.tensors.items()}, self.numbers)

    def weights(self) -> dict[str, Tensor]:
        """The model's part, as :func:`seq2seq.runs.folder.unique_tensors` names it."""
        return {name[6:]: tensor for name, tensor in self.tensors.items() if name.startswith("model.")}


def save_checkpoint(run: Path, checkpoint: Checkpoint, keep: int) -> None:
    """Writes a checkpoint and removes all but the newest ``keep``.

    Raises:
        RunError: it cannot be written; those before it are whole.
    """
    folder = _folder(run) / f"{checkpoint.numbers['updates']:08d}"
    scratch = folder.with_name(f"{folder.name}.part")
    with friendly_os_errors(folder):
        try:
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            save_tensors(scratch / TENSORS, checkpoint.tensors)
            write_atomic(scratch / _NUMBERS, json.dumps(checkpoint.numbers, indent=2).encode())
            write_manifest(scratch, [TENSORS, _NUMBERS], {"versions": versions()})
            shutil.rmtree(folder, ignore_errors=True)  # damaged, or it would have been gone on from
            atomic_replace(scratch, folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        for later in checkpoint_folders(run):
            if later.name > folder.name:  # it is damaged, or it would have been gone on from
                shutil.rmtree(later)
        tidy_checkpoints(run, checkpoint.numbers["updates"], keep)


def tidy_checkpoints(run: Path, updates: int, keep: int) -> None:
    """Removes all but ``keep`` checkpoints up to so many updates, and what a crash left half written or removed."""
    earlier = [folder for folder in checkpoint_folders(run) if int(folder.name) <= updates]
    for other in (*earlier[keep:], *_folder(run).glob("*.part")):
        shutil.rmtree(other)


def has_checkpoints(run: Path) -> bool:
    """Whether a run was begun, readable or not."""
    return bool(checkpoint_folders(run))


def load_checkpoint(run: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole, None if there are none at all; damaged ones are named on stderr.

    Raises:
        RunError: there are checkpoints, but all of them are damaged.
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
            f"no checkpoint in {_folder(run)} is whole: choose another folder with --run, or remove this one"
        )
    return None


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's state as named tensors: ``optimizer.<parameter>.<name>``."""
    return {
        f"optimizer.{index}.{name}": value
        for index, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Gives an optimiser of the same model the state back."""
    content = optimizer.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, name = key.split(".")
            state.setdefault(int(index), {})[name] = value
    content["state"] = state
    optimizer.load_state_dict(content)


def _folder(run: Path) -> Path:
    return run / "checkpoints"


def checkpoint_folders(run: Path) -> list[Path]:
    """The checkpoints of a run, newest first."""
    return sorted((path for path in _folder(run).glob("*") if path.name.isdecimal()), reverse=True)
