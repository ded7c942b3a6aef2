"""What users are told: errors that they can put right, and warnings."""

import sys
from functools import cache


class Seq2SeqError(Exception):
    """Something the user can put right: the message says what was expected, what was found, what to do.

    The command line prints it as one line on stderr and exits with status 2; a program that uses the
    package catches this one class.
    """


class ConfigError(Seq2SeqError):
    """A recipe or a ``--set`` that does not describe a possible model; lists every fault at once."""


class CorpusError(Seq2SeqError):
    """Data that cannot be read or used as it is: a missing file, sides that do not align."""


class RunError(Seq2SeqError):
    """A run folder that is missing, damaged, or made by something else."""


def warn(text: str) -> None:
    """Prints a warning, one line on stderr; the work goes on."""
    print(f"warning: {text}", file=sys.stderr, flush=True)


@cache
def warn_once(text: str) -> None:
    """The same, but only the first time that this process says it."""
    warn(text)
