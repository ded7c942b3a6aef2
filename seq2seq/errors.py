"""Errors that users can put right, and warnings."""

import reprlib
import sys
from functools import cache
from typing import Any

_SHORTENED = reprlib.Repr()
_SHORTENED.maxlist, _SHORTENED.maxstring = 20, 60
_OUT_OF_MEMORY = ("can't allocate memory", "CUDA error: out of memory", "STATUS_ALLOC_FAILED")


class Seq2SeqError(Exception):
    """An error that the user can put right: it says what was expected, what was found and what to do.

    The command line prints it as one line on stderr and exits with status 2; a program that uses the
    package catches this one class.
    """


class ConfigError(Seq2SeqError):
    """Settings that are invalid or contradict one another; lists every fault at once."""


class CorpusError(Seq2SeqError):
    """Data that cannot be read or used: a missing file, sides that do not align."""


class RunError(Seq2SeqError):
    """A run folder, or another file of ours, that is missing or damaged or cannot be written."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that a device or the host ran out of memory."""
    # The CPU's allocator and CUDA's libraries raise no class of their own; torch's is known by its name, without torch.
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and (type(error).__name__ == "OutOfMemoryError" or any(sign in str(error) for sign in _OUT_OF_MEMORY))
    )


def shown(value: Any) -> str:
    """A value for a message, not all of it if it is long or deep."""
    return _SHORTENED.repr(value)


def one_line(message: object) -> str:
    """A message on one line of printable characters; others, which a file's name may hold, are escaped."""
    text = str(message)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def warn(text: str) -> None:
    """Prints a warning of one line to stderr."""
    print(f"warning: {one_line(text)}", file=sys.stderr, flush=True)


@cache
def warn_once(text: str) -> None:
    """Prints a warning once per process."""
    warn(text)
