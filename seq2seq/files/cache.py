"""Folders that are made once: whole or not at all, by one process at a time, and checked whenever they are opened."""

import errno
import fcntl
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from seq2seq.errors import CorpusError
from seq2seq.files.hashing import file_sha256

SUMS = "SHA256SUMS"
"""Digests of all other files, as ``sha256sum`` reads and writes them."""


def find_or_make(folder: Path, make: Callable[[Path], None]) -> None:
    """Sees to it that a folder is there and its files are those that were made.

    Args:
        folder: where it is, or is to be.
        make: fills an empty folder.

    Raises:
        CorpusError: a file is damaged, or the disk is full; says which.
    """
    if not (folder / SUMS).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder.with_name(f"{folder.name}.lock")) as scratch_name:
            if not (folder / SUMS).is_file():  # nobody has made it meanwhile
                _make(folder, folder.with_name(f"{folder.name}.{scratch_name}"), make)
    _check(folder)


def _make(folder: Path, scratch: Path, make: Callable[[Path], None]) -> None:
    shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed
    try:
        scratch.mkdir()
        make(scratch)
        names = sorted(path.name for path in scratch.iterdir())
        sums = "".join(f"{file_sha256(scratch / name)}  {name}\n" for name in names)
        (scratch / SUMS).write_text(sums, encoding="utf-8")
        if (folder / SUMS).is_file():
            return  # made by another after all, where locks do not work
        shutil.rmtree(folder, ignore_errors=True)  # without its sums it is of no use
        os.replace(scratch, folder)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise CorpusError(
            f"cannot make {folder}: {error.strerror}, with {shutil.disk_usage(folder.parent).free / 1e6:.0f} MB free; "
            "make room there, or set data.directory to a larger disk"
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check(folder: Path) -> None:
    # A damaged list fits no file, or not all of them, so it needs no digest of its own.
    lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n")
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    there = {path.name: path for path in folder.iterdir() if path.name != SUMS}
    for name in sorted(listed.keys() | there.keys()):
        if name not in there or file_sha256(there[name]) != listed.get(name):
            raise CorpusError(
                f"{folder / name} is not as it was written (its SHA-256 is another): remove {folder}, and the next "
                "call makes it anew"
            )


@contextmanager
def _alone(path: Path) -> Iterator[str]:
    """Waits until no other process holds the lock; the kernel lets go of it even if its holder is killed.

    Yields:
        A name for what is being made: where files cannot be locked (some network file systems) one that no other
        process takes, for there several may be at work.
    """
    with path.open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another process that prepares this corpus", file=sys.stderr, flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError:
            yield f"making-{socket.gethostname()}-{os.getpid()}"
            return
        yield "making"
