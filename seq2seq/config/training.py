"""The table ``[training]``: how the weights are found."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from seq2seq.config.model import ModelConfig
from seq2seq.config.ranges import Ranges, range_faults


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """How the weights are found, and when to stop looking."""

    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: float = 0.002
    schedule: Literal["linear", "inverse-sqrt", "halving", "constant"] = "linear"
    """After warm-up: linearly to zero at the last update; 1/sqrt(update); the paper's halving; flat."""
    warmup_updates: int = 0
    halve_after_epochs: float = 5.0
    max_updates: int = 0
    """Stop after this many updates; 0: no such limit. Likewise for the next two."""
    max_epochs: float = 0.0
    max_minutes: float = 0.0
    batch_tokens: int = 1200
    """Target tokens in a batch, padding included."""
    batch_sentences: int = 0
    """Sentences in a batch, instead of tokens; 0: by tokens."""
    accumulate: int = 1
    """Batches whose gradients make one update; of each process, if there are several."""
    loss_mean: Literal["tokens", "sentences"] = "tokens"
    """What the loss of an update is the mean over: target tokens, or sentences as in Sutskever et al. 2014, §3.4. The
    latter's gradient is as many times larger as a sentence has tokens, which learning_rate and clip_norm must know."""
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
    keep_checkpoints: int = 2
    """The newest so many stay; the best weights are the run's model, whatever becomes of their checkpoint."""
    log_every: int = 50
    finetune_from: int = 0
    """First epoch, counted from 1, in which the backbone of an image encoder learns too, from pictures that are
    cropped and mirrored at random; 0: it stays as it was published, and its features are computed once."""
    finetune_learning_rate: float = 1e-4
    """The backbone's own learning rate; it follows the schedule of the other."""
    device_map: tuple[str, ...] = ()
    """Device of each layer, bottom first, the same in encoder and decoder (Sutskever et al. 2014, §3.5); empty: all
    layers on one device."""


# Bounds that keep a mistyped or malicious recipe from asking for all the memory there is.
_RANGES: Ranges = {
    "learning_rate": (0, 100),
    "warmup_updates": (0, float("inf")),
    "halve_after_epochs": (0, float("inf")),
    "max_updates": (0, float("inf")),
    "max_epochs": (0, float("inf")),
    "max_minutes": (0, float("inf")),
    "batch_tokens": (1, 10_000_000),
    "batch_sentences": (0, 1_000_000),
    "accumulate": (1, 100_000),
    "clip_norm": (0, float("inf")),
    "label_smoothing": (0, 0.99),
    "weight_decay": (0, 1),
    "seed": (0, 2**63 - 1),
    "validate_every": (1, float("inf")),
    "patience": (0, float("inf")),
    "checkpoint_every": (0, float("inf")),
    "keep_checkpoints": (1, float("inf")),
    "log_every": (1, float("inf")),
    "finetune_from": (0, float("inf")),
    "finetune_learning_rate": (0, 100),
}


def training_faults(training: TrainingConfig) -> Iterator[str]:
    """Every reason why these settings cannot work."""
    yield from range_faults("training", training, _RANGES)
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


def device_map_faults(model: ModelConfig, devices: tuple[str, ...]) -> Iterator[str]:
    """Every reason why a model's layers cannot be placed on these devices."""
    if not devices:
        return
    layers = {len(model.encoder_widths()), len(model.decoder_widths())}
    if layers != {len(devices)}:
        yield (
            f"training.device_map names {len(devices)} devices, and encoder and decoder have "
            f"{' and '.join(map(str, sorted(layers)))} layers: name one for each layer, the same for both"
        )
    if model.encoder == "image" or model.tie_embeddings != "none":
        yield (
            "training.device_map puts the embedding on the first device and the output layer on the last: set "
            'model.tie_embeddings = "none", and another encoder than "image"'
        )
