"""Reads ``log.jsonl``: what happened when in a training. Imports no torch, so that it answers at once."""

import json
import math
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from seq2seq.metrics.names import JUDGES
from seq2seq.runs.layout import LOG

# Updates, epochs, minutes and seconds are fewer than this.
_MOST = 1e15
# Numbers that entries of each kind must have.
_NUMBERS = {
    "start": (),
    "stop": ("signal",),
    "training": ("tokens_per_second", "learning_rate", "skipped"),
    "validation": ("perplexity", "exact_match", "best"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """How far training has come."""

    updates: int = 0
    epochs: float = 0.0
    """Passes over the corpus, with the fraction of the current one."""
    minutes: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the log."""

    kind: str
    """``start``, ``training``, ``validation``, or ``stop`` by a signal."""
    time: float
    """Of writing, in seconds since 1970."""
    position: Position
    numbers: dict[str, Any]


def read_log(folder: Path) -> list[Entry]:
    """The entries of a run's log; none if there is no log.

    After a kill they may reach beyond the newest checkpoint. Unreadable lines are left out, such as one that is being
    written.
    """
    path = folder / LOG
    return list(_entries(path)) if path.is_file() else []


def _entries(path: Path) -> Iterator[Entry]:
    written = path.stat().st_mtime
    for line in path.read_bytes().splitlines():
        try:
            content = json.loads(line)
            kind = content.pop("type")
            when = float(content.pop("time", written))
            position = Position(
                updates=int(content.pop("updates")),
                epochs=float(content.pop("epochs")),
                minutes=float(content.pop("minutes")),
            )
            whole = all(0 <= value < _MOST for value in (when, *astuple(position)))
            # A training entry has no loss if every update was skipped; a validation has one of several scores.
            for name in (*_NUMBERS[kind], *({"loss", *JUDGES} & content.keys())):
                math.isnan(content[name])  # raises unless it is a number, which need not be finite
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            continue
        if whole:
            yield Entry(kind, when, position, content)
