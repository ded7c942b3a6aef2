"""Data sets of the hub, or of a folder in the same format, streamed row by row: nothing is stored before cleaning."""

import contextlib
import errno
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from seq2seq.config import DataConfig
from seq2seq.corpus.pairs import Pair, pair_of
from seq2seq.errors import CorpusError
from seq2seq.files.atomic import disk_reason


def read_hub(data: DataConfig, split: str) -> Iterator[Pair]:
    """Streams the pairs of a split; each call reads it from the source anew.

    Raises:
        CorpusError: it cannot be loaded, breaks off, or a row lacks a side.
    """
    where = f"hub data set {data.path}"
    rows = iter(load_split(data, split, streaming=True))
    for number in count(1):
        try:
            record = next(rows, None)
        except Exception as error:
            raise CorpusError(
                f"{where}, split {split!r} breaks off at row {number:,}: {_reason(error)}; run again, "
                "or download it and set data.path to the folder"
            ) from None
        if record is None:
            return
        yield pair_of(record, data.src, data.tgt, where=f"{where}, row {number}")


def load_split(data: DataConfig, split: str, *, streaming: bool) -> Any:
    """A split as the library ``datasets`` gives it: a stream of rows, or a table on disk that can be indexed.

    Raises:
        CorpusError: it cannot be loaded.
    """
    import datasets  # takes a second to import, which only hub recipes should pay

    load: Callable[..., Any] = datasets.load_dataset
    with _silent_progress(datasets):
        try:
            return load(
                data.path, data.subset or None, split=split, revision=data.revision or None, streaming=streaming
            )
        except Exception as error:
            # The library's exceptions vary with version and cause.
            if (
                isinstance(error, OSError)
                and error.errno != errno.ENOENT
                and (disk := disk_reason(error, Path(error.filename or ".")))
            ):
                where = f" in {error.filename}" if error.filename else ""
                raise CorpusError(
                    f"cannot keep hub data set {data.path}{where}: {disk}; HF_HOME may name another folder for it"
                ) from None
            raise CorpusError(
                f"cannot load hub data set {data.path}, split {split!r}: {_reason(error)}; check data.path, "
                "data.subset and the network, or download it and set data.path to the folder"
            ) from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


@contextlib.contextmanager
def _silent_progress(datasets: Any) -> Iterator[None]:
    """Disables the library's own progress bars; we show one already."""
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()
