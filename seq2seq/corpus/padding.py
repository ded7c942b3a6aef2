"""Token ids padded to rectangles; without importing torch.

Shapes: ``B`` batch, ``S`` source length, ``T`` target length.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from seq2seq.corpus.subword import EOS, PAD

IntArray = npt.NDArray[np.int64]
Lengths = npt.NDArray[np.int32]
TokenIds = Sequence[int] | Lengths


def pad_sources(sources: Sequence[TokenIds], *, reverse: bool, width: int = 0) -> tuple[IntArray, IntArray]:
    """Sources with end marks, (B, S), and their lengths with these, (B,); the one place where sources are reversed.

    With ``reverse`` the source ``[1, 2, 3]`` becomes ``3 2 1 </s>``: its first word comes to stand next to the
    translation's first word (Sutskever et al. 2014, §3.3). Sources are reversed before they are padded.

    Args:
        sources: token ids of each sentence, without marks.
        reverse: reverse each source.
        width: S; 0: no larger than needed.
    """
    src, lengths = pad([source[::-1] if reverse else source for source in sources], width)
    src[np.arange(len(src)), lengths] = EOS
    return src, lengths + 1


def pad(rows: Sequence[TokenIds], width: int = 0) -> tuple[IntArray, IntArray]:
    """Token ids with padding, room for an end mark included, and the number of tokens in each row."""
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    padded = np.full((len(rows), width or int(lengths.max()) + 1), PAD)
    real = np.arange(padded.shape[1]) < lengths[:, None]
    padded[real] = np.concatenate(rows, dtype=np.int64, casting="unsafe")
    return padded, lengths
