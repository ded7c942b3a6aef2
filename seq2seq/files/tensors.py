"""Tensors on disk: safetensors, never anything that runs when it is read."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from seq2seq.errors import RunError
from seq2seq.files.atomic import atomic_replace, scratch_file


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors durably: never half a file under the final name."""
    with scratch_file(path) as scratch:
        write_tensors(scratch, tensors)
        atomic_replace(scratch, path)


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors to a file of one's own; :func:`save_tensors` replaces one that others may read."""
    save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, path)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Reads what :func:`save_tensors` wrote.

    Raises:
        RunError: no such file, or something else.
    """
    try:
        # In the file tensors lie at any address, and products round differently where they are not aligned.
        return {name: tensor.clone() for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path} cannot be read: {error}") from None
