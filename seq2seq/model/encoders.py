"""Encoders: a batch of sources in, :class:`~seq2seq.model.state.Encoded` out.

The contract is ``forward(batch) -> Encoded`` and ``output_size``, the width of ``Encoded.memory``.
"""

from torch import nn

from seq2seq.corpus.batching import Batch
from seq2seq.model.embedding import Embedding
from seq2seq.model.recurrent import RecurrentStack
from seq2seq.model.state import Encoded


class StackedEncoder(nn.Module):
    """The encoder of Sutskever et al. 2014, §2: a deep LSTM reads the source once, front to back.

    It reads tokens in the order in which the batch has them; the reversal of §3.3 is the batch's
    (:func:`seq2seq.corpus.batching.collate`).
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
