"""Checkpoints: all that training needs to go on as if it had never stopped.

A checkpoint is a folder ``checkpoints/<updates>`` with safetensors, JSON and a manifest. It is written
under another name and renamed when it is whole, so a crash leaves the one before it.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seq2seq.errors import RunError
from seq2seq.model.run_folder import (
    check_manifest,
    load_tensors,
    save_tensors,
    sync_folder,
    write_durably,
    write_manifest,
)

TENSORS, _PROGRESS = "tensors.safetensors", "progress.json"
_KEPT = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Tensors by name (weights, optimiser moments, random states) and plain numbers."""

    tensors: dict[str, Tensor]
    progress: dict[str, Any]


def save_checkpoint(run: Path, checkpoint: Checkpoint) -> None:
    """Writes a checkpoint and removes all but the newest two.

    Raises:
        RunError: it cannot be written; those before it are whole.
    """
    folder = _folder(run) / f"{checkpoint.progress['updates']:08d}"
    scratch = folder.with_name(f"{folder.name}.part")
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        save_tensors(scratch / TENSORS, checkpoint.tensors)
        write_durably(scratch / _PROGRESS, json.dumps(checkpoint.progress, indent=2).encode())
        write_manifest(scratch, [TENSORS, _PROGRESS], {})
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(scratch, folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise RunError(f"cannot write {folder}: {error}; the checkpoint before it is whole") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    # One with a higher number is damaged, or this would not be the newest.
    folders = checkpoint_folders(run)
    place = folders.index(folder)
    for other in (*folders[:place], *folders[place + _KEPT :]):
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
            progress = json.loads((folder / _PROGRESS).read_bytes())
            return Checkpoint(load_tensors(folder / TENSORS), progress)
        except RunError as error:
            print(f"warning: {error}; going back to the checkpoint before it", file=sys.stderr)
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
