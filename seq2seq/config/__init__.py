"""The settings of a run: six frozen tables, checked as a whole.

Each setting is defined once, here. Its name is its TOML key, :mod:`seq2seq.recipe` enforces its type annotation, and
:meth:`Config.faults` lists the combinations that cannot work.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from seq2seq.config.data import DataConfig, data_faults
from seq2seq.config.decoding import DecodingConfig, decoding_faults
from seq2seq.config.evaluation import EvaluationConfig, evaluation_faults
from seq2seq.config.model import CellKind, ModelConfig, model_faults
from seq2seq.config.subword import SubwordConfig, subword_faults
from seq2seq.config.training import TrainingConfig, device_map_faults, training_faults
from seq2seq.errors import ConfigError

__all__ = [
    "CellKind",
    "Config",
    "DataConfig",
    "DecodingConfig",
    "EvaluationConfig",
    "ModelConfig",
    "SubwordConfig",
    "TrainingConfig",
]


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
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)

    def __post_init__(self) -> None:
        faults = list(self.faults())
        if faults:
            raise ConfigError("; ".join(faults))

    def faults(self) -> Iterator[str]:
        """Every reason why these settings cannot work, each naming key, value and what is allowed."""
        yield from data_faults(self.data)
        yield from subword_faults(self.subword)
        yield from model_faults(self.model)
        yield from training_faults(self.training)
        yield from decoding_faults(self.decoding)
        yield from evaluation_faults(self.evaluation)
        yield from device_map_faults(self.model, self.training.device_map)
        if self.data.reads_images != (self.model.encoder == "image"):
            yield (
                f'model.encoder = "{self.model.encoder}" does not read data.format = "{self.data.format}": '
                '"image" goes with "pictures", "hub-pictures" and "emoji", the others with text'
            )
        if self.data.reads_images and self.subword.protect:
            yield "subword.protect is about what stands in a source text: a picture has none"
        if self.data.reads_images and not self.subword.joint:
            yield "subword.joint = false has no meaning for pictures: captions have one vocabulary"
        if self.training.finetune_from and self.model.encoder != "image":
            yield (
                f"training.finetune_from = {self.training.finetune_from} is about the backbone of an image encoder, "
                f'found model.encoder = "{self.model.encoder}"'
            )
        if self.training.old_share and self.data.reads_images:
            yield "training.old_share mixes texts: it must be 0 for pictures"
        if self.training.finetune_from and {"encoder", "encoder.backbone"} & {*self.training.frozen}:
            yield (
                f"training.finetune_from = {self.training.finetune_from} trains the backbone that training.frozen = "
                f"{list(self.training.frozen)} keeps as it is: leave one of them out"
            )
        if self.model.tie_embeddings == "all" and not self.subword.joint:
            yield 'model.tie_embeddings = "all" needs subword.joint = true; "target" works without'
