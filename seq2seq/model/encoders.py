"""Encoders: a batch of sources in, :class:`~seq2seq.model.state.Encoded` out.

Shapes: ``B`` batch, ``S`` source length, ``E`` embedding, ``H`` width of a layer.
"""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Generator, Tensor, nn

from seq2seq.corpus.batching import Batch
from seq2seq.model.embedding import Embedding
from seq2seq.model.recurrent import RecurrentStack
from seq2seq.model.state import Encoded


class Encoder(nn.Module):
    """The contract of every encoder; the defaults are right for text, which needs no pretrained backbone."""

    embedding: Embedding
    """Of the source vocabulary; an image encoder has none."""
    stack: RecurrentStack
    """The recurrent layers; empty in an image encoder."""
    output_size: int
    """M, the width of ``Encoded.memory``."""
    min_export_length = 1
    """Fewest source tokens of an example that can be exported; the exported file itself works with one."""

    @abstractmethod
    def forward(self, batch: Batch) -> Encoded:
        """Encodes ``batch.src``; padding changes nothing."""

    def example_inputs(self, lengths: Sequence[int], generator: Generator) -> dict[str, Tensor]:
        """Random inputs of an exported encoder: ``src`` (B, S) without end marks, ``lengths`` (B,); or ``pixels``."""
        src = torch.randint(self.embedding.num_embeddings, (len(lengths), max(lengths)), generator=generator)
        return {"src": src, "lengths": torch.tensor(lengths)}

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Parameters of the pretrained backbone, which have their own learning rate and stay float32."""
        return []

    def cast(self, dtype: torch.dtype) -> None:
        """Casts the weights in place."""
        self.to(dtype)

    def set_finetuning(self, on: bool) -> None:
        """Trains the backbone from now on, or freezes it."""

    def load_pretrained(self, folder: Path) -> None:
        """Loads the backbone's published weights, downloading them to ``folder`` if they are not there.

        Raises:
            Seq2SeqError: they cannot be had, or are not the expected ones.
        """


class RecurrentEncoder(Encoder):
    """Recurrent layers over embeddings.

    With layers that read front to back this is the encoder of Sutskever et al. 2014, §2, with bidirectional ones that
    of Bahdanau et al. 2015, §3.2, and with only the bottom one bidirectional that of Wu et al. 2016, §3.2. The batch
    decides the order of the tokens: :func:`seq2seq.corpus.batching.collate` reverses them (Sutskever et al., §3.3).
    """

    def __init__(self, embedding: Embedding, stack: RecurrentStack, *, output_size: int) -> None:
        super().__init__()
        self.embedding = embedding
        self.stack = stack
        self.output_size = output_size

    def forward(self, batch: Batch) -> Encoded:
        """Encodes ``batch.src`` (B, S) to a memory (B, S, H)."""
        embedded = self.stack.dropout(self.embedding(batch.src))
        memory, final = self.stack(embedded, lengths=None if batch.full else batch.src_lengths)
        return Encoded(memory=memory, mask=batch.src_mask, final=final)


class ConvolutionalEncoder(Encoder):
    """A convolution and a pooling shorten the sequence before the recurrent layers read it.

    Meant for characters: ``max-pool(ReLU(convolution(embeddings)))`` as in Lee, Cho & Hofmann 2017, §4.1, but with one
    filter width and no highway layers. The memory has one position for every ``pool`` tokens.

    Args:
        embedding: of the source vocabulary.
        stack: reads E channels.
        width: of the filter in tokens, an odd number.
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
        # With one position torch.export would take "one" for a constant.
        self.min_export_length = pool + 1

    def forward(self, batch: Batch) -> Encoded:
        """Encodes ``batch.src`` (B, S) to a memory (B, ⌈S / pool⌉, H)."""
        mask = batch.src_mask
        lengths = None if batch.full else (batch.src_lengths + self.pool - 1) // self.pool
        shortened = self._shorten(self.embedding(batch.src), mask)
        memory, final = self.stack(self.stack.dropout(shortened), lengths=lengths)
        # Not a slice: whether a slice is contiguous depends on its length, and torch.export would fix the answer.
        first = torch.arange(0, mask.shape[1], self.pool, device=mask.device)
        return Encoded(memory=memory, mask=mask.index_select(1, first), final=final)

    def _shorten(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """Embeddings (B, S, E) to pooled channels (B, ⌈S / pool⌉, E)."""
        # Padding is zero before the filter, like what lies beyond the edges, and zero before the pooling, where it
        # cannot exceed a rectified unit: so a sentence does not depend on its batch.
        real = mask.unsqueeze(-1)
        filtered = self.convolution((embedded * real).mT).mT
        channels = torch.relu(filtered) * real
        pooled: Tensor = self.pooling(channels.mT)
        return pooled.mT
