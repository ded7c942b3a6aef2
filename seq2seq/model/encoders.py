"""Encoders: a batch of sources in, :class:`~seq2seq.model.state.Encoded` out.

The contract is ``forward(batch) -> Encoded`` and ``output_size``, the width of ``Encoded.memory``.

Shapes: ``B`` batch, ``S`` source length, ``E`` embedding.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from seq2seq.corpus.batching import Batch
from seq2seq.model.embedding import Embedding
from seq2seq.model.recurrent import RecurrentStack
from seq2seq.model.state import Encoded


class TextEncoder(nn.Module):
    """What training asks of an encoder of pictures, answered by one of text: it has no backbone."""

    def backbone_parameters(self) -> list[nn.Parameter]:
        """None."""
        return []

    def set_finetuning(self, on: bool) -> None:
        """Nothing to switch."""

    def load_pretrained(self, folder: Path) -> None:
        """Nothing to load."""


class RecurrentEncoder(TextEncoder):
    """Embeddings under recurrent layers.

    With layers that read front to back it is the encoder of Sutskever et al. 2014, §2, with bidirectional
    ones that of Bahdanau et al. 2015, §3.2, and with a bidirectional one at the bottom only that of
    Wu et al. 2016, §3.2. It reads tokens in the order in which the batch has them; the reversal of Sutskever
    et al., §3.3, is the batch's (:func:`seq2seq.corpus.batching.collate`).
    """

    def __init__(self, embedding: Embedding, stack: RecurrentStack, *, output_size: int) -> None:
        super().__init__()
        self.embedding = embedding
        self.stack = stack
        self.output_size = output_size

    def forward(self, batch: Batch) -> Encoded:
        """Encodes ``batch.src`` (B, S); padding changes nothing."""
        embedded = self.stack.dropout(self.embedding(batch.src))
        memory, final = self.stack(embedded, lengths=batch.src_lengths)
        return Encoded(memory=memory, mask=batch.src_mask, final=final)


class ConvolutionalEncoder(TextEncoder):
    """A convolution and a pooling that shorten the sequence before the recurrent layers read it.

    Meant for characters: ``max-pool(ReLU(convolution(embeddings)))`` as in Lee, Cho & Hofmann 2017, §4.1, but
    with one width of filter and no highway layers. The memory has one position for every ``pool`` tokens.

    Args:
        embedding: of the source vocabulary.
        stack: reads E channels.
        width: tokens under the filter, an odd number.
        pool: tokens that become one position.
        output_size: H of the top layer.
    """

    def __init__(self, embedding: Embedding, stack: RecurrentStack, *, width: int, pool: int, output_size: int) -> None:
        super().__init__()
        self.embedding = embedding
        self.convolution = nn.Conv1d(embedding.embedding_dim, embedding.embedding_dim, width, padding=width // 2)
        self.pool = pool
        self.pooling = nn.MaxPool1d(pool, ceil_mode=True)
        self.stack = stack
        self.output_size = output_size

    def forward(self, batch: Batch) -> Encoded:
        """Encodes ``batch.src`` (B, S) to a memory (B, ⌈S / pool⌉, H)."""
        mask = batch.src_mask
        lengths = (batch.src_lengths + self.pool - 1) // self.pool
        shortened = self._shorten(self.embedding(batch.src), mask)
        memory, final = self.stack(self.stack.dropout(shortened), lengths=lengths)
        # Not a slice: whether it lies in memory without gaps depends on its length, and an export asks for that.
        first = torch.arange(0, mask.shape[1], self.pool, device=mask.device)
        return Encoded(memory=memory, mask=mask.index_select(1, first), final=final)

    def _shorten(self, embedded: Tensor, mask: Tensor) -> Tensor:
        # Padding is zero before the filter, like what lies beyond the edges, and zero after it, where it
        # cannot win against a rectified unit: a sentence comes out as it would alone.
        real = mask.unsqueeze(-1)
        filtered = self.convolution((embedded * real).mT).mT
        channels = torch.relu(filtered) * real
        pooled: Tensor = self.pooling(channels.mT)
        return pooled.mT
