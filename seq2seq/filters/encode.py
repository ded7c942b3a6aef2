"""Sentence vectors: an encoder's final hidden state (Sutskever et al. 2014, §3.8)."""

from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import torch

from seq2seq.decoding.batches import within_memory
from seq2seq.decoding.translator import Translator
from seq2seq.errors import ConfigError
from seq2seq.files.atomic import atomic_replace, check_writable, scratch_file
from seq2seq.filters.streams import to_texts, warn_of_cuts

# Lines that are read, and tokens that are encoded, at once.
_LINES, _TOKENS = 512, 8000


def sentence_vectors(translator: Translator, sentences: list[str], *, layer: int = 0) -> npt.NDArray[np.float32]:
    """The encoder's final hidden state for each sentence, (N, width); zero for an empty one.

    Args:
        translator: its first member encodes.
        sentences: N of them.
        layer: counted from 1 at the bottom; 0: all concatenated, bottom first.

    Raises:
        ConfigError: there is no such layer.
    """
    member = translator.members[0]
    widths = member.config.model.encoder_widths()
    if not 0 <= layer <= len(widths):
        raise ConfigError(f"--layer {layer}: expected 1 to {len(widths)}, or 0 for all")
    vectors = np.zeros((len(sentences), sum(widths) if layer == 0 else widths[layer - 1]), dtype=np.float32)

    def encode(rows: Sequence[int]) -> list[npt.NDArray[np.float32]]:
        batch = translator.reader.batches([sentences[row] for row in rows])[0].to(translator.device_spec.device)
        with translator.ready():
            hidden = member.model.encoder(batch).final.hidden
            states = torch.cat(hidden, dim=1) if layer == 0 else hidden[layer - 1]
        return list(states.float().cpu().numpy())

    for row, vector in within_memory(
        translator.reader.group(sentences, _TOKENS), encode, lower="encode shorter ones"
    ).items():
        vectors[row] = vector
    return vectors


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
