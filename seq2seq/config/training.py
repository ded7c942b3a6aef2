"""The table ``[training]``: the optimisation."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from seq2seq.config.model import ModelConfig
from seq2seq.config.ranges import Range, range_faults


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """How weights are optimised, and when training stops."""

    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: Annotated[float, Range(0, 100)] = 0.002
    schedule: Literal["linear", "inverse-sqrt", "halving", "constant"] = "linear"
    """After warm-up: linearly to zero at the last update; 1/sqrt(update); halved every half epoch; constant."""
    warmup_updates: Annotated[int, Range(0)] = 0
    halve_after_epochs: Annotated[float, Range(0)] = 5.0
    """Epoch of the first halving under ``schedule = "halving"`` (Sutskever et al. 2014, §3.4)."""
    max_updates: Annotated[int, Range(0)] = 0
    """Stop after this many updates; 0: no such limit. Likewise epochs and minutes below. Where no limit and no patience
    is set, the number of epochs goes by the size of the corpus."""
    max_epochs: Annotated[float, Range(0)] = 0.0
    max_minutes: Annotated[float, Range(0)] = 0.0
    batch_tokens: Annotated[int | Literal["auto"], Range(1, 10_000_000)] = "auto"
    """Target tokens in a batch, padding included; ``auto``: 1200 on a CPU, more on a GPU, as its memory and the model's
    size allow, and fewer where an epoch would have under 50 updates. A larger batch makes fewer updates of an epoch, so
    the result is another one."""
    batch_sentences: Annotated[int, Range(0, 1_000_000)] = 0
    """Sentences in a batch, instead of tokens; 0: by tokens."""
    accumulate: Annotated[int, Range(1, 100_000)] = 1
    """Batches per update; of each process, if there are several."""
    loss_mean: Literal["tokens", "sentences"] = "tokens"
    """Mean the loss over target tokens, or over sentences as in Sutskever et al. 2014, §3.4. The latter's gradient is
    larger by the tokens of a sentence: choose learning_rate and clip_norm accordingly."""
    clip_norm: Annotated[float, Range(0)] = 1.0
    """Largest norm of the gradient, which is scaled down to it; 0: no limit."""
    label_smoothing: Annotated[float, Range(0, 0.99)] = 0.1
    weight_decay: Annotated[float, Range(0, 1)] = 0.0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    graphs: Literal["auto", "off"] = "auto"
    """``auto``: on a GPU updates are recorded as CUDA graphs, one for each shape of batch that comes often; not with
    several processes, a device map or ``accumulate``, nor while a backbone learns. ``off``: they are not."""
    seed: Annotated[int, Range(0, 2**63 - 1)] = 1
    validate_every: Annotated[int | Literal["auto"], Range(1)] = "auto"
    """Updates between two validations; each validation is followed by a checkpoint. ``auto``: an epoch, within 100 to
    1,000 updates."""
    validation_metric: Literal["auto", "bleu", "chrf", "exact-match", "cer", "wer", "perplexity"] = "auto"
    """What chooses the best model, stops a training that does not improve, and tunes ``rescore``. ``auto``: BLEU if at
    least half of the validation references have four tokens; else exact match if they are labels, and chrF2 if not."""
    patience: Annotated[int, Range(0)] = 0
    """Stop after this many validations without a better one; 0: never."""
    checkpoint_every: Annotated[int, Range(0)] = 0
    """Updates between two checkpoints besides those of validations; 0: no others."""
    keep_checkpoints: Annotated[int, Range(1)] = 2
    """Number of newest checkpoints kept; the best weights are the run's model and kept anyway."""
    log_every: Annotated[int, Range(1)] = 50
    finetune_from: Annotated[int, Range(0)] = 0
    """First epoch, counted from 1, in which the backbone of an image encoder is trained too, on randomly cropped and
    mirrored images; 0: it stays frozen, and its features are computed once."""
    finetune_learning_rate: Annotated[float, Range(0, 100)] = 1e-4
    """The backbone's learning rate; it follows the same schedule."""
    start_from: str = ""
    """Folder of a run whose vocabulary and weights training begins with; ``train --from`` sets this, and takes the
    settings that a recipe leaves out from there too."""
    old_share: Annotated[float, Range(0, 0.99)] = 0.0
    """Share of the training pairs that come from the corpus of the run in ``start_from``, so that the model forgets
    less of it; 0: none."""
    frozen: tuple[str, ...] = ()
    """Parts of the model that do not learn: ``encoder``, ``decoder.embedding``; a shared tensor is frozen wherever it
    is used."""
    device_map: tuple[str, ...] = ()
    """Device of each layer, bottom first, the same in encoder and decoder (Sutskever et al. 2014, §3.5); empty: all
    layers on one device."""


def training_faults(training: TrainingConfig) -> Iterator[str]:
    """Every reason why these settings cannot work."""
    yield from range_faults("training", training)
    if training.old_share and not training.start_from:
        yield (
            f"training.old_share = {training.old_share} needs a run whose corpus is mixed in: set training.start_from, "
            "as train --from does"
        )
    limits = (training.max_updates, training.max_epochs, training.max_minutes)
    if training.schedule == "linear" and training.patience and not any(limits):
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
