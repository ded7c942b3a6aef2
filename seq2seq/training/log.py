"""Writes ``log.jsonl``: one line for each start and stop of a training, every few updates and each validation.

TensorBoard, an extra, is imported only if asked for.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

from seq2seq.errors import ConfigError
from seq2seq.files.atomic import friendly_os_errors, write_atomic
from seq2seq.runs.history import Position
from seq2seq.runs.layout import LOG

_TENSORBOARD = "tensorboard"


class Log:
    """Writes the log of a run and, on demand, TensorBoard's files.

    Args:
        folder: of the run.
        tensorboard: also write to the run's folder ``tensorboard``.
    """

    def __init__(self, folder: Path, *, tensorboard: bool) -> None:
        self._path = folder / LOG
        self._boards = folder / _TENSORBOARD if tensorboard else None
        self._board: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._board:
            self._board.close()

    def add(self, kind: str, position: Position, numbers: Mapping[str, Any]) -> None:
        """Appends an entry; the first one of a training must be a ``start``."""
        line = {"type": kind, "time": round(time.time(), 1), **asdict(position), **numbers}
        with friendly_os_errors(self._path), self._path.open("ab") as log:
            log.write(json.dumps(line).encode() + b"\n")
        if self._boards:
            self._draw(kind, position.updates, numbers)

    def _draw(self, kind: str, updates: int, numbers: Mapping[str, Any]) -> None:
        if self._board is None:
            # Points after the checkpoint that training continues from will be written again.
            self._board = summary_writer()(str(self._boards), purge_step=updates + 1)
        for name, value in numbers.items():
            if type(value) in (int, float):
                self._board.add_scalar(f"{kind}/{name}", value, updates)
        self._board.flush()


def cut_log(folder: Path, updates: int) -> None:
    """Removes the entries after the checkpoint that training continues from, and a half-written line.

    The same updates will be logged again.
    """
    path = folder / LOG
    whole = path.read_bytes() if path.is_file() else b""
    kept = b"".join(line for line in whole.splitlines(keepends=True) if _belongs(line, updates))
    if kept != whole:
        write_atomic(path, kept)


def _belongs(line: bytes, updates: int) -> bool:
    try:
        return line.endswith(b"\n") and bool(json.loads(line)["updates"] <= updates)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def summary_writer() -> Any:
    """TensorBoard's class that writes curves.

    Raises:
        ConfigError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError(
            "--tensorboard needs a package that is not here: pip install 'seq2seq[tensorboard]', or leave it out"
        ) from None
    return SummaryWriter
