"""The standard streams, whatever the locale and whether they are open."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO, TextIO

from seq2seq.errors import Seq2SeqError


def set_up_streams() -> None:
    """Makes stdout and stderr fit for whatever a command writes.

    Stdout is UTF-8 under every locale, as files are; bytes of names that are no UTF-8 come out as they are. What is
    said to a closed stderr is lost, and goes nowhere else.
    """
    # No file of a command's may take the number of a closed standard stream: libraries write to 1 and 2.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open as long as the process lives
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")


def flush_stdout() -> None:
    """Writes out what a command has printed.

    Raises:
        OSError: it cannot be written; then the rest is dropped, so that the interpreter's end does not raise too.
    """
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def input_stream(path: Path | None = None, line: str = "line") -> AbstractContextManager[BinaryIO]:
    """A file, unpacked if it is a gzip or xz file, or stdin; a person at a terminal is told what to do.

    Args:
        path: of the file; None: stdin.
        line: what each line is.

    Raises:
        Seq2SeqError: the file cannot be read, or stdin is closed.
    """
    from seq2seq.filters.streams import open_file

    require_file("--src", path)
    if path:
        return open_file(path)
    stream = _bytes_of(sys.stdin, "stdin", "input")
    if stream.isatty():
        print(f"type one {line} after the other; Ctrl-D on an empty line ends", file=sys.stderr)
    return nullcontext(stream)


def require_file(option: str, path: Path | None) -> None:
    """Raises Seq2SeqError unless an option that is given names a file that is there."""
    if path and (not path.exists() or path.is_dir()):
        found = "a folder" if path.is_dir() else "nothing of that name"
        raise Seq2SeqError(f"{option} {path}: expected a file, found {found}")


@contextmanager
def output_stream() -> Iterator[BinaryIO]:
    """Stdout, buffered; whole at the end.

    Raises:
        Seq2SeqError: it is closed.
    """
    stream = _bytes_of(sys.stdout, "stdout", "output")
    if not isinstance(stream, io.RawIOBase):
        yield stream
        return
    # So it is with PYTHONUNBUFFERED: a write may write a part, and nobody would write the rest.
    with open(stream.fileno(), "wb", closefd=False) as buffered:
        yield buffered


def _bytes_of(stream: TextIO | None, name: str, what: str) -> BinaryIO:
    # None where the shell has closed it.
    if stream is None:
        raise Seq2SeqError(f"{name} is closed: expected a file, a pipe or /dev/null for the {what}")
    return stream.buffer
