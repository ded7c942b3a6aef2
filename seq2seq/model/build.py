"""Builds a freshly initialised model from ``[model]`` settings."""

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from seq2seq.config import CellKind, ModelConfig
from seq2seq.config.automatic import chosen
from seq2seq.model.attention import AdditiveAttention, Attention, DotAttention, GeneralAttention
from seq2seq.model.bridge import Bridge, CopyBridge, EveryStepBridge, FirstInputBridge, MeanBridge, ProjectBridge
from seq2seq.model.cells import GRU, LSTM, RNN
from seq2seq.model.decoder import Decoder, Readout
from seq2seq.model.embedding import Embedding
from seq2seq.model.encoders import ConvolutionalEncoder, Encoder, RecurrentEncoder
from seq2seq.model.initialisation import initialise
from seq2seq.model.recurrent import BidirectionalLayer, Cell, RecurrentStack, VariationalDropout
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.step_cells import LayerNormLSTM, PeepholeLSTM
from seq2seq.model.vision.backbone import build_backbone
from seq2seq.model.vision.encoder import ImageEncoder


def build_model(config: ModelConfig, src_vocab: int, tgt_vocab: int) -> Seq2Seq:
    """A freshly initialised model for vocabularies of these sizes; an image encoder ignores ``src_vocab``."""
    tgt_embedding = _embedding(config, tgt_vocab)
    src_embedding = tgt_embedding if config.tie_embeddings == "all" else _embedding(config, src_vocab)
    encoder = _image_encoder(config) if config.encoder == "image" else _text_encoder(config, src_embedding)
    model = Seq2Seq(encoder, _decoder(config, tgt_embedding))
    initialise(model, config)
    return model


def build_cell(kind: CellKind, input_size: int, width: int, config: ModelConfig) -> Cell:
    """One layer's cell."""
    match kind:
        case "lstm":
            return LSTM(input_size, width, weight_dropout=config.weight_dropout)
        case "gru":
            return GRU(input_size, width, weight_dropout=config.weight_dropout)
        case "rnn":
            return RNN(input_size, width, nonlinearity=config.nonlinearity, weight_dropout=config.weight_dropout)
        case "peephole":
            return PeepholeLSTM(input_size, width, weight_dropout=config.weight_dropout, zoneout=config.zoneout)
        case "layernorm":
            return LayerNormLSTM(input_size, width, weight_dropout=config.weight_dropout, zoneout=config.zoneout)


def _embedding(config: ModelConfig, vocab: int) -> Embedding:
    scale = math.sqrt(config.embedding_size) if config.initialisation == "scaled" else 1.0
    return Embedding(vocab, config.embedding_size, scale=scale, word_dropout=config.word_dropout)


def _image_encoder(config: ModelConfig) -> Encoder:
    width, grid = config.encoder_widths()[0], config.attention != "none"
    return ImageEncoder(build_backbone(config.backbone), width=width, grid=grid, dropout=chosen(config.dropout))


def _text_encoder(config: ModelConfig, embedding: Embedding) -> Encoder:
    widths = config.encoder_widths()
    layers: list[Cell | BidirectionalLayer] = []
    for index, (input_size, width) in enumerate(zip([config.embedding_size, *widths], widths, strict=False)):
        if config.encoder == "bidirectional" and (index == 0 or config.bidirectional_layers == "all"):
            cells = [build_cell(config.cell, input_size, width // 2, config) for _ in range(2)]
            layers.append(BidirectionalLayer(*cells))
        else:
            layers.append(build_cell(config.cell, input_size, width, config))
    stack = RecurrentStack(layers, _dropout(config), _residual(config, widths))
    if config.encoder == "convolutional":
        return ConvolutionalEncoder(
            embedding, stack, width=config.filter_width, pool=config.pool, output_size=widths[-1]
        )
    return RecurrentEncoder(embedding, stack, output_size=widths[-1])


def _decoder(config: ModelConfig, embedding: Embedding) -> Decoder:
    kind, widths, memory_size = config.decoder_kind(), config.decoder_widths(), config.encoder_widths()[-1]
    bridge, attention = _bridge(config), _attention(config)
    context_size = 0 if attention is None else memory_size
    # Where there is a source vector, the readout gets it and the embedding (Cho et al. 2014, A.1).
    extra_size = context_size + (bridge.source_vector_size + config.embedding_size if bridge.source_vector_size else 0)
    readout = Readout(widths[-1], extra_size, config.embedding_size if config.tie_embeddings != "none" else widths[-1])
    bottom_size = config.embedding_size + bridge.source_vector_size + (readout.size if config.input_feeding else 0)
    residual, dropout = _residual(config, widths), _dropout(config)
    upper = [build_cell(kind, below + context_size, width, config) for below, width in pairwise(widths)]
    bottom = [build_cell(kind, bottom_size, widths[0], config)]
    return Decoder(
        embedding,
        RecurrentStack(bottom, dropout, [residual[0] and bottom_size == widths[0]]),
        RecurrentStack(upper, dropout, residual[1:]),
        bridge,
        attention,
        readout,
        tied=config.tie_embeddings != "none",
        input_feeding=config.input_feeding,
    )


def _bridge(config: ModelConfig) -> Bridge:
    src, tgt, cells = config.encoder_widths(), config.decoder_widths(), config.has_cell(config.decoder_kind())
    match config.bridge:
        case "copy":
            return CopyBridge()
        case "project":
            return ProjectBridge(src, tgt, cells=cells)
        case "mean":
            return MeanBridge(src[-1], tgt, cells=cells)
        case "every-step":
            return EveryStepBridge(src[-1], tgt[0], tgt, cells=cells)
        case "first-input":
            return FirstInputBridge(src[-1], config.embedding_size, tgt, cells=cells)


def _attention(config: ModelConfig) -> Attention | None:
    query_size, memory_size = config.decoder_widths()[0], config.encoder_widths()[-1]
    match config.attention:
        case "none":
            return None
        case "dot":
            return DotAttention()
        case "general":
            return GeneralAttention(query_size, memory_size)
        case "additive":
            return AdditiveAttention(query_size, memory_size)


def _dropout(config: ModelConfig) -> nn.Module:
    rate = chosen(config.dropout)
    return VariationalDropout(rate) if config.variational else nn.Dropout(rate)


def _residual(config: ModelConfig, widths: Sequence[int]) -> list[bool]:
    """For each layer, whether its input is added to its output: from ``residual_from`` on, if widths are equal."""
    input_sizes = [config.embedding_size, *widths]
    return [
        0 < config.residual_from <= number and input_size == width
        for number, (input_size, width) in enumerate(zip(input_sizes, widths, strict=False), start=1)
    ]
