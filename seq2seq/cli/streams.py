"""The standard streams as bytes, whatever the locale."""

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, TextIO

from seq2seq.errors import Seq2SeqError


def input_stream(path: Path | None = None) -> AbstractContextManager[BinaryIO]:
    """A file, or stdin if none is named.

    Raises:
        Seq2SeqError: stdin is closed, or the file is not there.
    """
    require_file("--src", path)
    return path.open("rb") if path else nullcontext(_bytes_of(sys.stdin, "stdin", "input"))


def require_file(option: str, path: Path | None) -> None:
    """Raises Seq2SeqError unless an option that is given names a file that is there."""
    if path and (not path.exists() or path.is_dir()):
        found = "a folder" if path.is_dir() else "nothing of that name"
        raise Seq2SeqError(f"{option} {path}: expected a file, found {found}")


def output_stream() -> BinaryIO:
    """Stdout.

    Raises:
        Seq2SeqError: it is closed.
    """
    return _bytes_of(sys.stdout, "stdout", "output")


def _bytes_of(stream: TextIO | None, name: str, what: str) -> BinaryIO:
    # None where the shell has closed it.
    if stream is None:
        raise Seq2SeqError(f"{name} is closed: expected a file, a pipe or /dev/null for the {what}")
    return stream.buffer
