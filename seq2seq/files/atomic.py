"""Atomic writes: after a crash a file is the old one or the new one, never half of either.

A file is written under another name, synced and renamed.
"""

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import safetensors

from seq2seq.errors import RunError


@contextmanager
def scratch_file(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path``, to be written and given to :func:`atomic_replace`; removed afterwards.

    Raises:
        RunError: ``path`` cannot be written; says why and what to do.
    """
    scratch = path.with_name(path.name + ".part")
    with friendly_os_errors(path):
        try:
            yield scratch
        finally:
            scratch.unlink(missing_ok=True)


def atomic_replace(scratch: Path, path: Path) -> None:
    """Renames a written file, or a folder of synced files, to ``path`` and syncs the rename."""
    if scratch.is_file():
        with scratch.open("rb") as stream:
            os.fsync(stream.fileno())
    os.replace(scratch, path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, content: bytes) -> None:
    """Replaces the content of a file atomically."""
    with scratch_file(path) as scratch:
        scratch.write_bytes(content)
        atomic_replace(scratch, path)


@contextmanager
def friendly_os_errors(path: Path, *, advice: str = "what was saved before is whole") -> Iterator[None]:
    """Turns any OSError into one line that says why ``path`` cannot be written and what to do.

    Args:
        path: what is being written.
        advice: the end of that line.

    Raises:
        RunError: instead of the OSError.
    """
    try:
        yield
    except (OSError, safetensors.SafetensorError) as error:
        reason = _reason(path, _errno(error)) or str(error)
        raise RunError(f"cannot write {path}: {reason}; {advice}") from None


def _errno(error: Exception) -> int | None:
    if isinstance(error, OSError):
        return error.errno
    # safetensors has it only in its message.
    match = re.search(r"os error (\d+)", str(error))
    return int(match[1]) if match else None


def _reason(path: Path, number: int | None) -> str | None:
    match number:
        case errno.ENOSPC:
            return f"the disk is full ({_free(path)}): make room there, then give the same command again"
        case errno.EDQUOT:
            return (
                "your quota on this disk is used up: make room in it or ask for more, then give the same command again"
            )
        case errno.EROFS:
            return "this disk is read-only: have it mounted for writing, or name a folder elsewhere"
        case errno.EACCES | errno.EPERM:
            return (
                "you have no permission to write there: change the folder's owner or mode, or name a folder elsewhere"
            )
        case errno.ENOENT if not path.parent.is_dir():
            return f"there is no folder {path.parent}: make it, or name another"
    return None


def _free(path: Path) -> str:
    nearest = next(folder for folder in path.absolute().parents if folder.is_dir())
    return f"{shutil.disk_usage(nearest).free / 1e6:.1f} MB free without it"
