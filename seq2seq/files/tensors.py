"""Tensors on disk: safetensors, which cannot execute code when read."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from seq2seq.errors import RunError
from seq2seq.files.atomic import atomic_replace, scratch_file


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors to a file, atomically."""
    with scratch_file(path) as scratch:
        write_tensors(scratch, tensors)
        atomic_replace(scratch, path)


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors to a scratch file; :func:`save_tensors` replaces a file that others may be reading."""
    # safetensors writes a temporary file of a random name beside its target, which a kill would leave there for good.
    # In a folder of a fixed name the next call finds it.
    folder = path.with_name(f"{path.name}.writing")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        written = folder / path.name
        written.touch()
        mode = written.stat().st_mode  # what the umask leaves; safetensors writes files that only their owner may read
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, written)
        written.chmod(mode)
        os.replace(written, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Reads tensors that :func:`save_tensors` wrote.

    Raises:
        RunError: no such file, or no safetensors.
    """
    try:
        # Cloned, because tensors in a file may lie at unaligned addresses, where matrix products round differently.
        return {name: tensor.clone() for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path} cannot be read: {error}") from None
