"""The standard streams as bytes, whatever the locale."""

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, TextIO

from seq2seq.errors import Seq2SeqError


def input_stream(path: Path | None = None) -> AbstractContextManager[BinaryIO]:
    """A file, or stdin if none is named.

    Raises:
        Seq2SeqError: stdin is closed.
    """
    return path.open("rb") if path else nullcontext(_bytes_of(sys.stdin, "stdin", "input"))


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
