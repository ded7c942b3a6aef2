"""The whole model on one screen: encode the source, decode the target.

Shapes: ``B`` batch, ``T`` target length, ``F`` features.
"""

from torch import Tensor, nn

from seq2seq.corpus.batching import Batch
from seq2seq.model.decoder import Decoder
from seq2seq.model.encoders import ConvolutionalEncoder, RecurrentEncoder
from seq2seq.model.state import DecoderState, Encoded
from seq2seq.model.vision.encoder import ImageEncoder


class Seq2Seq(nn.Module):
    """An encoder and a decoder, joined by a bridge."""

    def __init__(self, encoder: RecurrentEncoder | ConvolutionalEncoder | ImageEncoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def encode(self, batch: Batch) -> tuple[Encoded, DecoderState]:
        """Reads the sources: what the encoder made of them, and the decoder's first state."""
        encoded = self.encoder(batch)
        return encoded, self.decoder.start(encoded)

    def forward(self, batch: Batch) -> Tensor:
        """Teacher-forced features (B, T, F); ``decoder.output`` turns them into logits.

        The two are apart because the logits of a whole batch, (B·T, V), need not exist at once:
        :func:`seq2seq.training.objective.cross_entropy` makes them in chunks.
        """
        _, state = self.encode(batch)
        features: Tensor = self.decoder(batch.tgt_in, state)
        return features
