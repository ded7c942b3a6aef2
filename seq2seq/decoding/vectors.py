"""Sentence vectors: an encoder's final hidden state (Sutskever et al. 2014, §3.8)."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from seq2seq.decoding.batches import within_memory
from seq2seq.decoding.ensemble import Ensemble
from seq2seq.errors import ConfigError

# Tokens that are encoded at once.
_TOKENS = 8000


def sentence_vectors(ensemble: Ensemble, sentences: Sequence[str], *, layer: int = 0) -> npt.NDArray[np.float32]:
    """The encoder's final hidden state for each sentence, (N, width); zero for an empty one.

    Args:
        ensemble: its first member encodes.
        sentences: N of them.
        layer: counted from 1 at the bottom; 0: all concatenated, bottom first.

    Raises:
        ConfigError: there is no such layer.
    """
    member = ensemble.members[0]
    widths = member.config.model.encoder_widths()
    if not 0 <= layer <= len(widths):
        raise ConfigError(f"--layer {layer}: expected 1 to {len(widths)}, or 0 for all")
    vectors = np.zeros((len(sentences), sum(widths) if layer == 0 else widths[layer - 1]), dtype=np.float32)

    def encode(rows: Sequence[int]) -> list[npt.NDArray[np.float32]]:
        batch = ensemble.reader.batches([sentences[row] for row in rows])[0].to(ensemble.device_spec.device)
        with ensemble.ready():
            hidden = member.model.encoder(batch).final.hidden
            states = torch.cat(hidden, dim=1) if layer == 0 else hidden[layer - 1]
        return list(states.float().cpu().numpy())

    for row, vector in within_memory(
        ensemble.reader.group(sentences, _TOKENS), encode, lower="encode shorter ones"
    ).items():
        vectors[row] = vector
    return vectors
