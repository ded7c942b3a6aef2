"""Averages the weights of several checkpoints or runs into a new run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from seq2seq.corpus.subword import Vocabularies
from seq2seq.errors import RunError
from seq2seq.files.atomic import new_folder
from seq2seq.files.manifest import check_manifest
from seq2seq.files.tensors import load_tensors
from seq2seq.runs.folder import LoadedRun, create_run, load_run, save_model, unique_tensors
from seq2seq.runs.layout import CONFIG, MODEL, read_config
from seq2seq.training.checkpoint import TENSORS, Checkpoint, checkpoint_folders

# Settings that do not change how a trained network computes; zoneout does, by its expectation.
_TRAINING_ONLY = {
    "dropout",
    "variational",
    "weight_dropout",
    "word_dropout",
    "initialisation",
    "forget_bias",
}


def average(run: str | Path, others: Sequence[str | Path], out: str | Path) -> Path:
    """Writes the mean of several models' weights as a new run.

    Args:
        run: gives settings and vocabularies. Its weights are averaged with those of ``others``; without others, the
            weights of its checkpoints are averaged.
        others: runs of the same shape, or checkpoint folders within runs.
        out: a new or empty folder.

    Raises:
        RunError: a folder is no run, or of another shape or vocabulary, or ``out`` cannot be written.
    """
    run, out = Path(run), Path(out)
    first = load_run(run)
    paths = [run, *map(Path, others)] if others else checkpoint_folders(run)
    if len(paths) < 2:
        raise RunError(f"{run} holds {len(paths)} checkpoints: expected at least 2, or other runs to average with")
    with new_folder(out, size=(run / MODEL).stat().st_size) as folder:
        mean = _mean(first, paths)
        create_run(folder, first.config, first.vocabularies)
        # Updates and scores belong to the members, not to their mean.
        facts = {"corpus": first.manifest["corpus"], "average_of": list(map(str, paths))}
        save_model(folder, mean, facts)
    return out


def _mean(first: LoadedRun, paths: Sequence[Path]) -> dict[str, Tensor]:
    members = [_read(first, path) for path in paths]
    for path, weights in zip(paths, members, strict=True):
        if _shapes(weights) != _shapes(members[0]):
            raise RunError(f"{path} has weights of other names or shapes than {paths[0]}")
    return {
        name: (sum(weights[name].double() for weights in members) / len(members)).to(tensor.dtype)  # type: ignore[union-attr]
        for name, tensor in members[0].items()
    }


def _read(first: LoadedRun, path: Path) -> dict[str, Tensor]:
    """The weights of a run, or of a checkpoint in ``RUN/checkpoints``."""
    if (path / TENSORS).is_file():
        check_manifest(path)
        run = path.resolve().parents[1]
        if not (run / CONFIG).is_file():
            raise RunError(f"{path} is a checkpoint outside its run: expected RUN/checkpoints/{path.name}")
        _check_alike(first, path, run)
        return Checkpoint(load_tensors(path / TENSORS), {}).weights()
    weights = unique_tensors(load_run(path).model)
    _check_alike(first, path, path)
    return weights


def _check_alike(first: LoadedRun, path: Path, run: Path) -> None:
    """Refuses weights of another network, even if their shapes agree."""
    config, own = read_config(run), first.config.model
    if Vocabularies.load(run, config.subword).files() != first.vocabularies.files():
        raise RunError(f"{path} has another vocabulary than {first.folder}: their weights have no common mean")
    for name, value in asdict(config.model).items():
        if value != getattr(own, name) and name not in _TRAINING_ONLY:
            raise RunError(
                f"{path} has model.{name} = {value!r}, {first.folder} has {getattr(own, name)!r}: "
                "their weights have no common mean"
            )


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in weights.items()}
