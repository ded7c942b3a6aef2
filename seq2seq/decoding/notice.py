"""Warnings of which one is enough."""

import sys
from functools import cache


@cache
def say_once(text: str) -> None:
    """Writes a line to stderr, the first time in this process."""
    print(text, file=sys.stderr, flush=True)
