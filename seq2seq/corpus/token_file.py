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
        self._chunks, self._values, self._offsets = list(chunks), [], []
        for chunk in self._chunks:
            self._values.append(chunk.values.to_numpy())
            self._offsets.append(chunk.offsets.to_numpy())
        self._starts = np.cumsum([0, *(len(offsets) - 1 for offsets in self._offsets)])

    def __getitem__(self, index: int) -> Ids:
        (ids,) = self.take(np.array([index]))
        listed: Ids = ids.tolist()
        return listed

    def take(self, rows: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int32]]:
        """Token ids of several sentences, as views into the memory map."""
        chunks = np.searchsorted(self._starts, rows, side="right") - 1
        taken = []
        for chunk, row in zip(chunks.tolist(), (rows - self._starts[chunks]).tolist(), strict=True):
            start, end = self._offsets[chunk][row : row + 2].tolist()
            taken.append(self._values[chunk][start:end])
        return taken

    def lengths(self) -> npt.NDArray[np.int32]:
        """Tokens in each sentence, (N,)."""
        return np.concatenate([np.diff(offsets) for offsets in self._offsets]).astype(np.int32)

    def followed_by(self, sentences: Sequence[npt.NDArray[np.int32]]) -> "TokenColumn":
        """These sentences and after them others, which are held in memory."""
        return TokenColumn([*self._chunks, pyarrow.array(sentences, pyarrow.list_(pyarrow.int32()))])

    def count(self, token: int) -> int:
        """How often a token occurs."""
        return sum(int(np.count_nonzero(values == token)) for values in self._values)


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
