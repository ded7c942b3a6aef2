"""The whole model on one screen: encode the source, decode the target.

Shapes: ``B`` batch, ``T`` target length, ``F`` features.
"""

import torch
from torch import Tensor, nn

from seq2seq.corpus.batching import Batch
from seq2seq.model.decoder import Decoder
from seq2seq.model.encoders import Encoder
from seq2seq.model.state import DecoderState, Encoded


class Seq2Seq(nn.Module):
    """An encoder and a decoder; the decoder's bridge joins them."""

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def encode(self, batch: Batch) -> tuple[Encoded, DecoderState]:
        """The encoder's output for the sources, and the decoder's initial state."""
        encoded = self.encoder(batch)
        return encoded, self.decoder.start(encoded)

    def cast(self, dtype: torch.dtype) -> None:
        """Casts the weights in place, for decoding; training casts copies (:class:`~.training.objective.Objective`)."""
        self.encoder.cast(dtype)
        self.decoder.to(dtype)

    def forward(self, batch: Batch) -> Tensor:
        """Teacher-forced features (B, T, F); ``decoder.output`` turns them into logits.

        Logits are not computed here, so that :func:`seq2seq.training.objective.cross_entropy` can do it in chunks and
        never holds those of a whole batch, (B·T, V).
        """
        _, state = self.encode(batch)
        features: Tensor = self.decoder(batch.tgt_in, state)
        return features
