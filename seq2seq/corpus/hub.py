"""Data sets of the hub, or of a folder in the same format, streamed row by row: nothing is stored before cleaning."""

import contextlib
import errno
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from seq2seq.config import DataConfig
from seq2seq.corpus.pairs import Pair, pairs_of
from seq2seq.errors import CorpusError
from seq2seq.files.atomic import disk_reason


def read_hub(data: DataConfig, split: str, dropped: Counter[str]) -> Iterator[Pair]:
    """Streams the pairs of a split; each call reads it from the source anew. ``dropped`` counts rows without text.

    Raises:
        CorpusError: it cannot be loaded, breaks off, or no row has text on both sides.
    """
    rows = each_row(load_split(data, split, streaming=True), f"hub data set {data.path}, split {split!r}")
    return pairs_of(rows, data.src, data.tgt, dropped)


def each_row(rows: Iterable[Any], where: str) -> Iterator[tuple[str, Any]]:
    """Rows, each after a description of where it stands.

    Raises:
        CorpusError: they break off; names the row.
    """
    reader = iter(rows)
    with _silent():
        for number in count(1):
            try:
                row = next(reader, None)
            except Exception as error:
                raise CorpusError(
                    f"{where} breaks off at row {number:,}: {_reason(error)}; run again, "
                    "or download it and set data.path to the folder"
                ) from None
            if row is None:
                return
            yield f"{where}, row {number}", row


def load_split(data: DataConfig, split: str, *, streaming: bool) -> Any:
    """A split as the library ``datasets`` gives it: a stream of rows, or a table on disk that can be indexed.

    Raises:
        CorpusError: it cannot be loaded.
    """
    import datasets  # takes a second to import, which only hub recipes should pay

    load: Callable[..., Any] = datasets.load_dataset
    with _silent():
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
def _silent() -> Iterator[None]:
    """Disables the library's own progress bars and log: we show a bar already, and its errors are ours."""
    import datasets

    verbosity = datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        yield
    finally:
        datasets.logging.set_verbosity(verbosity)
        datasets.enable_progress_bars()
