"""Sentence vectors of a stream of lines, written as they come."""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np

from seq2seq.decoding.translator import Translator
from seq2seq.decoding.vectors import sentence_vectors
from seq2seq.files.atomic import atomic_replace, check_writable, scratch_file
from seq2seq.filters.streams import to_texts, warn_of_cuts

# Lines that are read at once.
_LINES = 512


def encode_stream(translator: Translator, source: Iterable[bytes], path: Path, *, layer: int = 0) -> int:
    """Writes the vector of every line to a ``.npy`` file; returns their number.

    Memory does not grow with the input, and the file appears only when it is complete.

    Raises:
        RunError: it cannot be written.
    """
    check_writable(path)
    count, width = 0, sentence_vectors(translator, [], layer=layer).shape[1]
    texts = to_texts(source)
    with scratch_file(path) as scratch:
        with scratch.open("wb") as stream:
            _write_header(stream, (count, width))
            start = stream.tell()
            while lines := list(islice(texts, _LINES)):
                warn_of_cuts(translator, lines, count)
                stream.write(sentence_vectors(translator, lines, layer=layer).tobytes())
                count += len(lines)
            stream.seek(0)
            _write_header(stream, (count, width))
            assert stream.tell() == start, "numpy leaves room for any number of rows"
        atomic_replace(scratch, path)
    return count


def _write_header(stream: IO[bytes], shape: tuple[int, int]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
