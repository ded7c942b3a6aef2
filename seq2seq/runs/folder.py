"""The run folder: everything a trained model needs, in one folder that can be moved and e-mailed.

``config.toml``, ``model.safetensors``, ``subword.*.model`` and the ``manifest.json`` over them.
"""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sentencepiece
import torch
from torch import Tensor

from seq2seq.config import Config
from seq2seq.corpus.subword import Vocabularies
from seq2seq.errors import RunError
from seq2seq.files.atomic import friendly_os_errors, scratch_file
from seq2seq.files.manifest import commit_files, stage_file, write_manifest
from seq2seq.files.tensors import load_tensors, write_tensors
from seq2seq.model.build import build_model
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.recipe import to_toml
from seq2seq.runs.files import RunFiles, read_run
from seq2seq.runs.layout import CONFIG, MODEL
from seq2seq.version import __version__


@dataclass(frozen=True, slots=True)
class LoadedRun(RunFiles):
    """A run with its trained model."""

    model: Seq2Seq


def create_run(
    folder: Path, config: Config, vocabularies: Vocabularies, chosen: Mapping[str, Any] | None = None
) -> None:
    """Writes vocabularies and settings into a run folder, new or old; files that would not change are left alone.

    Args:
        folder: of the run.
        config: of the recipe.
        vocabularies: of the corpus.
        chosen: what stands for ``auto`` where the settings keep it, by ``table.key``, for comments.

    Raises:
        RunError: the folder cannot be written.
    """
    with friendly_os_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    contents = {**vocabularies.files(), CONFIG: to_toml(config, chosen).encode()}
    changed = {name: content for name, content in contents.items() if _read(folder / name) != content}
    for name, content in changed.items():
        with scratch_file(folder / name) as scratch:
            scratch.write_bytes(content)
            stage_file(scratch, folder / name)
    if changed:
        commit_files(folder, changed)


def save_model(folder: Path, weights: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Saves the model and writes a new manifest.

    Args:
        folder: a run folder that :func:`create_run` created.
        weights: from :func:`unique_tensors`.
        facts: entries of the manifest: updates, scores, the corpus's fingerprint, what ``auto`` became.
    """
    with scratch_file(folder / MODEL) as scratch:
        write_tensors(scratch, weights)
        stage_file(scratch, folder / MODEL)
    write_manifest(
        folder,
        [CONFIG, MODEL, *sorted(path.name for path in folder.glob("subword.*.model"))],
        {"versions": versions(), **facts},
    )


def versions() -> dict[str, str]:
    """Versions of the software, for manifests."""
    return {
        "seq2seq": __version__,
        "torch": torch.__version__,
        "sentencepiece": sentencepiece.__version__,
        "python": platform.python_version(),
    }


def load_run(folder: str | Path) -> LoadedRun:
    """Loads a run after checking its files against the manifest.

    Raises:
        RunError: not a run, an unfinished one, or a damaged file; names it.
    """
    run = read_run(Path(folder))
    # Built without storage until the weights are known to fit: a forged config cannot exhaust the memory.
    with torch.device("meta"):
        model = build_model(run.config.model, len(run.vocabularies.src), len(run.vocabularies.tgt))
    path = run.folder / MODEL
    restore_weights(model, load_tensors(path), path)
    return LoadedRun(run.folder, run.config, run.vocabularies, run.target_lengths, run.manifest, model)


def unique_tensors(model: Seq2Seq) -> dict[str, Tensor]:
    """The model's parameters and buffers by name, without gradients; shared tensors only under their first name."""
    return {name: tensor.detach() for name, tensor in (*model.named_parameters(), *model.named_buffers())}


def restore_weights(model: Seq2Seq, weights: Mapping[str, Tensor], path: Path) -> None:
    """Sets the weights of a model, which may be without storage.

    Args:
        model: the model.
        weights: from a file.
        path: that file, for messages.

    Raises:
        RunError: names, shapes or dtypes differ.
    """
    expected = {name: _shape(tensor) for name, tensor in unique_tensors(model).items()}
    actual = {name: _shape(tensor) for name, tensor in weights.items()}
    if expected != actual:
        differing = sorted(name for name in expected.keys() | actual.keys() if expected.get(name) != actual.get(name))
        name = differing[0]
        raise RunError(
            f"{path} does not fit its {CONFIG}: {len(differing)} tensors differ, for example {name}, "
            f"expected {expected.get(name)}, found {actual.get(name)}"
        )
    restored: dict[torch.nn.Parameter, torch.nn.Parameter] = {}
    for name, parameter in list(model.named_parameters(remove_duplicate=False)):
        if name in weights:
            restored[parameter] = torch.nn.Parameter(weights[name])
        # A shared tensor has several names: it must stay one tensor.
        owner, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(owner), leaf, restored[parameter])
    for name, _ in list(model.named_buffers()):
        owner, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(owner), leaf, weights[name])


def _shape(tensor: Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None
