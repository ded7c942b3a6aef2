"""The whole model on one screen: encode the source, decode the target.

Shapes: ``B`` batch, ``S`` source length, ``T`` target length, ``E`` embedding, ``V`` vocabulary.
"""

import math

import torch
from torch import Tensor, nn

from seq2seq.config import ModelConfig
from seq2seq.corpus.batching import Batch
from seq2seq.model.bridge import CopyBridge, ProjectBridge
from seq2seq.model.decoder import Decoder
from seq2seq.model.embedding import Embedding
from seq2seq.model.encoders import StackedEncoder
from seq2seq.model.recurrent import RecurrentStack
from seq2seq.model.state import Encoded, State


class Seq2Seq(nn.Module):
    """Encoder and decoder joined by the state of every layer (Sutskever et al. 2014)."""

    def __init__(self, encoder: StackedEncoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def encode(self, batch: Batch) -> tuple[Encoded, State]:
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


def build_model(config: ModelConfig, src_vocab: int, tgt_vocab: int) -> Seq2Seq:
    """A freshly initialised model for vocabularies of these sizes."""
    scale = math.sqrt(config.embedding_size) if config.initialisation == "scaled" else 1.0
    src_embedding = Embedding(src_vocab, config.embedding_size, scale=scale)
    tgt_embedding = src_embedding
    if config.tie_embeddings != "all":
        tgt_embedding = Embedding(tgt_vocab, config.embedding_size, scale=scale)
    src_widths, tgt_widths = config.encoder_widths(), config.decoder_widths()

    def stack(widths: tuple[int, ...]) -> RecurrentStack:
        return RecurrentStack(config.embedding_size, widths, dropout=config.dropout, residual_from=config.residual_from)

    encoder = StackedEncoder(src_embedding, stack(src_widths), output_size=src_widths[-1])
    match config.bridge:
        case "copy":
            bridge: CopyBridge | ProjectBridge = CopyBridge()
        case "project":
            bridge = ProjectBridge(src_widths, tgt_widths)
    decoder = Decoder(
        tgt_embedding,
        stack(tgt_widths),
        bridge,
        width=tgt_widths[-1],
        tied=config.tie_embeddings != "none",
    )
    model = Seq2Seq(encoder, decoder)
    match config.initialisation:
        case "uniform":
            _initialise_uniform(model)
        case "scaled":
            _initialise_scaled(model, config.forget_bias)
    return model


def _initialise_uniform(model: nn.Module) -> None:
    """Every weight from U(-0.08, 0.08), as Sutskever et al. 2014, §3.4."""
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.08, 0.08)


def _initialise_scaled(model: nn.Module, forget_bias: float) -> None:
    """Xavier input weights (Glorot & Bengio 2010), orthogonal recurrences (Saxe et al. 2014), forget bias."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LSTM):
            _initialise_lstm(module, forget_bias)
    # Last, because a tied output layer shares an embedding's table.
    for module in model.modules():
        if isinstance(module, Embedding):
            nn.init.normal_(module.weight, std=1 / math.sqrt(module.embedding_dim))


@torch.no_grad()
def _initialise_lstm(lstm: nn.LSTM, forget_bias: float) -> None:
    # torch keeps the gates one below the other, in the order input, forget, candidate, output.
    for name, parameter in lstm.named_parameters():
        for number, gate in enumerate(parameter.chunk(4)):
            if name.startswith("weight_ih"):
                nn.init.xavier_uniform_(gate)
            elif name.startswith("weight_hh"):
                nn.init.orthogonal_(gate)
            else:
                # torch adds two biases: the forget gate's share goes to one of them.
                gate.fill_(forget_bias if number == 1 and name.startswith("bias_ih") else 0.0)
