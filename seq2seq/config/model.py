"""The table ``[model]``: the network."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from seq2seq.config.ranges import Range, range_faults

CellKind = Literal["lstm", "gru", "rnn", "peephole", "layernorm"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """The network. Defaults are Sutskever, Vinyals & Le 2014 at laptop size.

    Settings of a part that is not chosen (``pool`` without the convolutional encoder, say) have no effect.
    """

    encoder: Literal["stacked", "bidirectional", "convolutional", "image"] = "stacked"
    bidirectional_layers: Literal["first", "all"] = "all"
    """Layers of a bidirectional encoder that read both ways; ``first`` as in GNMT (Wu et al. 2016)."""
    filter_width: Annotated[int, Range(1, 999)] = 5
    """Width in tokens of a convolutional encoder's filters, an odd number."""
    pool: Annotated[int, Range(1, 1000)] = 4
    """Tokens that a convolutional encoder pools into one position."""
    backbone: str = "efficientnet-lite0"
    """Network of an image encoder; ``torchvision:NAME`` and ``timm:NAME`` are models of those packages, if they are
    installed."""
    cell: CellKind = "lstm"
    decoder_cell: Literal["same", "lstm", "gru", "rnn", "peephole", "layernorm"] = "same"
    nonlinearity: Literal["tanh", "relu"] = "tanh"
    """Activation of simple recurrent cells (``cell = "rnn"``)."""
    bridge: Literal["copy", "project", "mean", "every-step", "first-input"] = "copy"
    attention: Literal["none", "dot", "general", "additive"] = "none"
    input_feeding: bool = False
    """Each step reads the features of the previous one (Luong et al. 2015); slower, because it needs a loop."""
    reverse_source: bool = True
    layers: Annotated[int, Range(1, 64)] = 3
    hidden_size: int | tuple[int, ...] = 256
    """One width for all layers, or a list with one for each."""
    decoder_layers: Annotated[int, Range(0, 64)] = 0
    """0: as many as the encoder."""
    decoder_hidden_size: int | tuple[int, ...] = 0
    """0: the encoder's."""
    embedding_size: Annotated[int, Range(1, 65_536)] = 256
    dropout: Annotated[float | Literal["auto"], Range(0, 0.95)] = "auto"
    """On the inputs of every layer and the outputs of the top one (Zaremba et al. 2014). ``auto``: 0.1 from 300,000
    pairs on, 0.2 from 20,000, 0.3 below."""
    variational: bool = False
    """One dropout mask for all time steps (Gal & Ghahramani 2016)."""
    weight_dropout: Annotated[float, Range(0, 0.95)] = 0.0
    """Dropout of hidden-to-hidden weights (Merity et al. 2018)."""
    word_dropout: Annotated[float, Range(0, 0.95)] = 0.0
    """Dropout of whole embeddings."""
    zoneout: Annotated[float, Range(0, 0.95)] = 0.0
    """Share of units that keep their state in a step (Krueger et al. 2017); for ``peephole`` and ``layernorm``."""
    residual_from: Annotated[int, Range(0, 64)] = 0
    """First layer, counted from 1, with a residual connection (Wu et al. 2016), if its input is as wide as its
    output; 0: none."""
    tie_embeddings: Literal["none", "target", "all"] = "all"
    """Share the output layer with the target embedding (Press & Wolf 2017), or with both embeddings."""
    initialisation: Literal["uniform", "scaled"] = "scaled"
    """``uniform``: U(-0.08, 0.08), the paper's; ``scaled``: Xavier inputs, orthogonal recurrences."""
    forget_bias: Annotated[float, Range(-100, 100)] = 1.0
    """Initial bias of forget gates, and of a GRU's update gates, under ``scaled`` (Gers et al. 2000)."""

    def decoder_kind(self) -> CellKind:
        """The decoder's cell."""
        return self.cell if self.decoder_cell == "same" else self.decoder_cell

    @staticmethod
    def has_cell(kind: CellKind) -> bool:
        """True if layers of this kind have a memory cell c beside their output h."""
        return kind not in ("gru", "rnn")

    def encoder_widths(self) -> tuple[int, ...]:
        """Width of each encoder layer, bottom first; of an image encoder, the width of its projected features."""
        if self.encoder == "image":
            return self.decoder_widths()[:1]
        return _widths(self.hidden_size, self.layers)

    def decoder_widths(self) -> tuple[int, ...]:
        """Width of each decoder layer, bottom first."""
        return _widths(self.decoder_hidden_size or self.hidden_size, self.decoder_layers or self.layers)


def _widths(size: int | tuple[int, ...], layers: int) -> tuple[int, ...]:
    return (size,) * layers if isinstance(size, int) else size


def model_faults(model: ModelConfig) -> Iterator[str]:
    """Every reason why these settings cannot work."""
    yield from range_faults("model", model)
    if max(model.layers, model.decoder_layers) > 64:
        return  # named already, and a list of so many widths would exhaust the memory
    for key, widths, layers in (
        ("hidden_size", model.encoder_widths(), 1 if model.encoder == "image" else model.layers),
        ("decoder_hidden_size", model.decoder_widths(), model.decoder_layers or model.layers),
    ):
        if not widths or getattr(model, key) == ():
            yield f"model.{key} names no width, and model.layers = {model.layers}: a model needs at least one layer"
        elif len(widths) != layers:
            yield f"model.{key} = {list(widths)} must be one width or {layers}, one for each layer"
        if not all(1 <= width <= 65_536 for width in widths):
            yield f"model.{key} = {list(widths)} must lie between 1 and 65536"
    most = max(model.layers, model.decoder_layers)
    if model.residual_from > most:
        yield f"model.residual_from = {model.residual_from} must be at most {most}, the number of layers"
    if model.encoder_widths() and model.decoder_widths():
        yield from _joint_faults(model)
    yield from _image_faults(model)
    yield from _regulariser_faults(model)


def _joint_faults(model: ModelConfig) -> Iterator[str]:
    """Settings that do not go together."""
    src, tgt = model.encoder_widths(), model.decoder_widths()
    if model.bridge == "copy" and src != tgt:
        yield (
            f'model.bridge = "copy" needs encoder and decoder of one shape, found widths {list(src)} and {list(tgt)}: '
            'make them equal or set model.bridge = "project"'
        )
    if model.bridge == "copy" and model.has_cell(model.cell) != model.has_cell(model.decoder_kind()):
        yield (
            f'model.bridge = "copy" cannot hand the state of {model.cell} to {model.decoder_kind()}, of which one has '
            'a memory cell and the other has none: set model.bridge = "project"'
        )
    if model.attention == "dot" and src[-1:] != tgt[:1]:
        yield (
            f'model.attention = "dot" needs a top encoder layer as wide as the bottom decoder layer, found '
            f'{src[-1]} and {tgt[0]}: make them equal or set model.attention = "general"'
        )
    if model.encoder == "bidirectional":
        bidirectional = src if model.bidirectional_layers == "all" else src[:1]
        if any(width % 2 for width in bidirectional):
            yield f"model.hidden_size = {list(src)} must be even where a layer reads both ways: each takes one half"
    if model.encoder == "convolutional" and model.filter_width % 2 == 0:
        yield f"model.filter_width = {model.filter_width} must be odd, so that a filter has a middle"
    if model.input_feeding and model.attention == "none":
        yield 'model.input_feeding = true needs attention: set model.attention = "dot", "general" or "additive"'


def _image_faults(model: ModelConfig) -> Iterator[str]:
    if model.encoder == "image" and model.bridge == "copy":
        yield 'model.encoder = "image" has no recurrent state to copy: set model.bridge = "first-input" or another'
    if model.encoder == "image" and model.tie_embeddings == "all":
        yield 'model.encoder = "image" embeds no tokens: set model.tie_embeddings = "target" or "none"'
    if not re.fullmatch(r"efficientnet-lite0|(torchvision|timm):[\w.-]+", model.backbone):
        yield (
            f'model.backbone = "{model.backbone}" must be "efficientnet-lite0", or "torchvision:" or "timm:" and the '
            "name of one of their models"
        )


def _regulariser_faults(model: ModelConfig) -> Iterator[str]:
    kinds = {model.cell, model.decoder_kind()}
    if model.zoneout and not kinds <= {"peephole", "layernorm"}:
        yield (
            f"model.zoneout = {model.zoneout} needs cells that take single steps (peephole, layernorm), "
            f"found {', '.join(sorted(kinds))}"
        )
    if model.input_feeding and (model.variational or model.weight_dropout):
        yield (
            "model.input_feeding = true takes single steps, where model.variational and model.weight_dropout, which "
            "draw one mask for all steps, have no meaning: leave out one or the other"
        )
