"""Cached folders: made once, by one process, whole or not at all; checked whenever they are opened."""

import os
import shutil
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from seq2seq.errors import CorpusError
from seq2seq.files.atomic import folder_made, friendly_os_errors
from seq2seq.files.hashing import file_sha256
from seq2seq.files.lock import file_lock

SUMS = "SHA256SUMS"
"""Digests of all other files, as ``sha256sum`` reads and writes them."""


def find_or_make(folder: Path, make: Callable[[Path], None]) -> None:
    """Makes a folder unless it exists, then checks its files against their digests.

    Args:
        folder: the folder.
        make: fills an empty folder.

    Raises:
        CorpusError: a file is damaged; names it.
        RunError: the folder cannot be written.
    """
    if not (folder / SUMS).is_file():
        with (
            folder_made(folder.parent),
            friendly_os_errors(folder, advice="data.directory may name another disk"),
            file_lock(folder.with_name(f"{folder.name}.lock"), _announce_wait) as failure,
        ):
            # Without locks several processes may be making it: each in a folder of its own.
            owner = f"-{socket.gethostname()}-{os.getpid()}" if failure else ""
            if not (folder / SUMS).is_file():  # no other process made it while we waited
                _make(folder, folder.with_name(f"{folder.name}.making{owner}"), make)
    _check(folder)


def is_made(folder: Path) -> bool:
    """Whether :func:`find_or_make` has made a folder.

    Raises:
        CorpusError: a file is damaged; names it.
    """
    if not (folder / SUMS).is_file():
        return False
    _check(folder)
    return True


def _announce_wait() -> None:
    print("waiting for another process that prepares this corpus", file=sys.stderr, flush=True)


def _make(folder: Path, scratch: Path, make: Callable[[Path], None]) -> None:
    shutil.rmtree(scratch, ignore_errors=True)  # left by a process that was killed
    try:
        scratch.mkdir()
        make(scratch)
        names = sorted(path.name for path in scratch.iterdir())
        sums = "".join(f"{file_sha256(scratch / name)}  {name}\n" for name in names)
        (scratch / SUMS).write_text(sums, encoding="utf-8")
        if not (folder / SUMS).is_file():  # where locks do not work, another process may have made it
            shutil.rmtree(folder, ignore_errors=True)  # useless without its digests
            os.replace(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check(folder: Path) -> None:
    # A damaged list of digests matches no file, or not all of them, so it needs no digest of its own.
    lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n")
    expected = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    paths = {path.name: path for path in folder.iterdir() if path.name != SUMS}
    for name in sorted(expected.keys() | paths.keys()):
        if name not in paths or file_sha256(paths[name]) != expected.get(name):
            raise CorpusError(
                f"{folder / name} is not as it was written (its SHA-256 is another): remove {folder}, and the next "
                "call makes it anew"
            )
