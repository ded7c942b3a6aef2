"""Folders that are made once: whole or not at all, by one process at a time, and checked whenever they are opened."""

import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from seq2seq.corpus.package_index import file_sha256
from seq2seq.errors import CorpusError

SUMS = "SHA256SUMS"
"""Digests of all other files, as ``sha256sum`` reads and writes them."""


def find_or_make(folder: Path, make: Callable[[Path], None]) -> None:
    """Sees to it that a folder is there and its files are those that were made.

    Args:
        folder: where it is, or is to be.
        make: fills an empty folder.

    Raises:
        CorpusError: a file is damaged; says which.
    """
    if not (folder / SUMS).is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _alone(folder.with_suffix(".lock")):
            if not (folder / SUMS).is_file():  # nobody has made it meanwhile
                _make(folder, make)
    _check(folder)


def _make(folder: Path, make: Callable[[Path], None]) -> None:
    scratch = folder.with_suffix(".making")
    shutil.rmtree(scratch, ignore_errors=True)  # of a process that was killed
    scratch.mkdir()
    try:
        make(scratch)
        names = sorted(path.name for path in scratch.iterdir())
        sums = "".join(f"{file_sha256(scratch / name)}  {name}\n" for name in names)
        (scratch / SUMS).write_text(sums, encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)  # without its sums it is of no use
        os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check(folder: Path) -> None:
    # A damaged list of sums fits no file, so it needs none of its own; one that was cut to nothing names no file.
    for line in (folder / SUMS).read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n"):
        digest, _, name = line.partition("  ")
        path = folder / Path(name).name
        if not path.is_file() or file_sha256(path) != digest:
            raise CorpusError(
                f"{path} is not as it was written (its SHA-256 is another): remove {folder}, and the next call makes "
                "it anew"
            )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Waits until no other process holds the lock; the kernel lets go of it even if its holder is killed."""
    with path.open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another process that prepares this corpus", file=sys.stderr, flush=True)
            fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError:
            pass  # some network file systems have no locks: there both may make it, and the last one counts
        yield
