"""Fine-tuning: a training that begins with another run's settings, vocabulary and weights.

Optimiser and schedule are fresh. What a domain's corpus does not show is forgotten; ``training.old_share`` and
``training.frozen`` limit that, and a low learning rate does (Luong & Manning 2015, §4).
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seq2seq.config import Config
from seq2seq.corpus.mixing import mixed
from seq2seq.corpus.prepared import Prepared, prepare
from seq2seq.errors import ConfigError, CorpusError, RunError
from seq2seq.files.manifest import check_manifest
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.recipe import to_toml
from seq2seq.runs.folder import load_run, unique_tensors
from seq2seq.runs.layout import CONFIG, read_config, require_folder

# A rate that learned a language from nothing overwrites what a model knows.
_SLOWER = 3
# What a recipe says itself: for how long to train, where to begin, and on what.
_OWN = {"max_updates", "max_epochs", "max_minutes", "patience", "start_from", "old_share", "frozen"}


def inherited(start: Path) -> dict[str, dict[str, Any]]:
    """The settings, by table, that a recipe need not repeat if its training starts from a run.

    All of the run's but its ``[data]`` and how long it was trained; the learning rate is a third.
    """
    tables = tomllib.loads(to_toml(read_config(start)))
    del tables["data"]
    training = {key: value for key, value in tables["training"].items() if key not in _OWN}
    rate = training["learning_rate"] / _SLOWER
    return {**tables, "training": {**training, "learning_rate": rate, "start_from": str(start)}}


def require_start(config: Config) -> None:
    """Checks the run that a training starts from, before any work.

    Raises:
        RunError: it is no run, or is damaged.
        ConfigError: the settings ask for another vocabulary than it has.
    """
    start = Path(config.training.start_from)
    require_folder(start)
    check_manifest(start)
    theirs, ours = asdict(read_config(start).subword), asdict(config.subword)
    differing = [key for key in ours if ours[key] != theirs[key] and key != "sampling"]
    if differing:
        named = ", ".join(f"subword.{key} ({theirs[key]} there, {ours[key]} here)" for key in differing)
        raise ConfigError(f"the vocabulary is that of {start}, found another {named}: leave it out")


def prepare_for(config: Config, run: Path) -> Prepared:
    """The corpus of a training in the folder ``run``, mixed with that of the run it starts from, if so set.

    A training that goes on has its vocabulary in its own folder.

    Raises:
        CorpusError: the corpus cannot be used, or that of the run that training starts from; says which.
        RunError: the run that training starts from, or its corpus, is not what it was.
    """
    prepared = prepare(config, run if (run / CONFIG).is_file() else None)
    if not config.training.old_share:
        return prepared
    start = Path(config.training.start_from)
    begun = read_config(start)
    try:
        old = prepare(begun, start)
    except CorpusError as error:
        raise CorpusError(
            f"training.old_share needs the corpus that {start} was trained on, {begun.data.path}: train in the folder "
            f"where that name leads to it, or set training.old_share=0 ({error})"
        ) from None
    if old.vocabularies.files() != prepared.vocabularies.files():
        raise RunError(
            f"{start} has another vocabulary than its corpus gives now, which training.old_share needs: "
            "bring the old corpus back, or set training.old_share=0"
        )
    return mixed(prepared, old, config.training.old_share, seed=config.training.seed)


@dataclass(frozen=True, slots=True)
class StartingWeights:
    """The weights of the run that a training starts from."""

    run: Path
    tensors: Mapping[str, Tensor]
    """Under all their names: shared ones have several."""

    @classmethod
    def load(cls, run: Path) -> "StartingWeights":
        """Reads a run, checked against its manifest."""
        model = load_run(run).model
        parameters = model.named_parameters(remove_duplicate=False)
        return cls(run, {name: tensor.detach() for name, tensor in (*parameters, *model.named_buffers())})

    def fitting(self, model: Seq2Seq) -> list[str]:
        """Names of the model's tensors that there is one of the same shape for."""
        return [
            name
            for name, tensor in unique_tensors(model).items()
            if name in self.tensors and self.tensors[name].shape == tensor.shape
        ]

    def give_to(self, model: Seq2Seq) -> None:
        """Overwrites the tensors that fit."""
        own = unique_tensors(model)
        with torch.no_grad():
            for name in self.fitting(model):
                own[name].copy_(self.tensors[name])

    def summary(self, model: Seq2Seq) -> str:
        """What was taken and what was not, in one line."""
        own = unique_tensors(model)
        taken = self.fitting(model)
        fresh = [name for name in own if name not in taken]
        used = {self.tensors[name].data_ptr() for name in taken}
        left = [name for name, tensor in self.tensors.items() if tensor.data_ptr() not in used]
        text = f"weights of {self.run}: {len(taken)} of {len(own)} tensors taken"
        text += f"; fresh: {_listed(fresh)}" if fresh else ""
        return text + (f"; not used: {_listed(left)}" if left else "")


def freeze(model: Seq2Seq, names: Sequence[str]) -> None:
    """Excludes weights from learning.

    Args:
        model: whose.
        names: of tensors, or of parts that hold some: ``encoder``, ``decoder.embedding``. A shared tensor has several.

    Raises:
        ConfigError: no weights are called so, or none are left to learn.
    """
    weights = list(model.named_parameters(remove_duplicate=False))
    for name in names:
        chosen = [weight for path, weight in weights if f"{path}.".startswith(f"{name}.")]
        if not chosen:
            # decoder.bottom for decoder.bottom.layers.0.weight
            parts = ", ".join(dict.fromkeys(".".join(path.split(".")[:2]) for path, _ in weights))
            raise ConfigError(f'training.frozen names "{name}", found no weights of that name: choose among {parts}')
        for weight in chosen:
            weight.requires_grad_(False)
    if names and not any(weight.requires_grad for _, weight in weights):
        raise ConfigError(f"training.frozen = {list(names)} leaves nothing to learn: name fewer parts")


def _listed(names: Sequence[str], most: int = 4) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
