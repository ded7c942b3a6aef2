"""Token ids on disk: an Arrow file that is memory-mapped, so that 40 million pairs need no memory."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow

Ids = list[int]
_SIDES = ("src", "tgt")


class TokenColumn:
    """One side's token ids: ``column[i]`` is the list of sentence *i*, read from the memory map."""

    def __init__(self, chunks: Iterable[Any]) -> None:
        self._values, self._offsets = [], []
        for chunk in chunks:
            self._values.append(chunk.values.to_numpy())
            self._offsets.append(chunk.offsets.to_numpy())
        self._ends = np.cumsum([len(offsets) - 1 for offsets in self._offsets])

    def __getitem__(self, index: int) -> Ids:
        chunk = int(np.searchsorted(self._ends, index, side="right"))
        offsets = self._offsets[chunk]
        row = index - (int(self._ends[chunk - 1]) if chunk else 0)
        ids: Ids = self._values[chunk][offsets[row] : offsets[row + 1]].tolist()
        return ids

    def lengths(self) -> npt.NDArray[np.int32]:
        """Tokens in each sentence, (N,)."""
        return np.concatenate([np.diff(offsets) for offsets in self._offsets]).astype(np.int32)

    def count(self, sentences: Iterable[Ids]) -> int:
        """Number of sentences in the column that equal one of ``sentences``."""
        targets = {tuple(ids) for ids in sentences}
        offsets = np.cumsum([0, *map(len, targets)])
        digests = _digests(np.array([i for ids in targets for i in ids], dtype=np.int32), offsets)
        count, before = 0, 0
        for values, offsets in zip(self._values, self._offsets, strict=True):
            # Digests rule out nearly all sentences at the speed of numpy; the candidates are compared id by id.
            candidates = np.flatnonzero(np.isin(_digests(values, offsets), digests))
            count += sum(tuple(self[before + int(row)]) in targets for row in candidates)
            before += len(offsets) - 1
        return count


def _digests(values: npt.NDArray[np.int32], offsets: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """A digest of each sentence, equal for equal ids: Σ (id + 1) · mⁱ modulo 2⁶⁴."""
    lengths = np.diff(offsets)
    powers = np.cumprod(np.full(lengths.max(initial=0), 0x9E3779B97F4A7C15, dtype=np.uint64))
    positions = np.arange(offsets[0], offsets[-1]) - np.repeat(offsets[:-1], lengths)
    terms = (values[offsets[0] : offsets[-1]].astype(np.uint64) + 1) * powers[positions]
    sums = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(terms, dtype=np.uint64)])
    digests: npt.NDArray[np.uint64] = np.diff(sums[offsets - offsets[0]])
    return digests


class TokenFile:
    """Writes token ids block by block; a context manager."""

    def __init__(self, path: Path) -> None:
        sentences = pyarrow.list_(pyarrow.int32())
        self._schema = pyarrow.schema([(side, sentences) for side in _SIDES])
        self._writer = pyarrow.ipc.new_stream(str(path), self._schema)

    def __enter__(self) -> "TokenFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._writer.close()

    def write(self, src: Sequence[Ids], tgt: Sequence[Ids]) -> None:
        """Appends sources and as many targets."""
        self._writer.write_batch(pyarrow.record_batch([src, tgt], schema=self._schema))


def open_columns(path: Path) -> tuple[TokenColumn, TokenColumn]:
    """Sources and targets of a file that :class:`TokenFile` wrote."""
    table = pyarrow.ipc.open_stream(pyarrow.memory_map(str(path))).read_all()
    src, tgt = (TokenColumn(table.column(side).chunks) for side in _SIDES)
    return src, tgt
