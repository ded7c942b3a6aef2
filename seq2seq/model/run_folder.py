"""The run folder: everything a trained model needs, in one place that can be moved and e-mailed.

``config.toml``, ``model.safetensors``, ``subword.*.model`` and ``manifest.json``, which holds the
SHA-256 and size of the others: safetensors notices a cut file but not a flipped bit.
"""

import json
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import sentencepiece
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from seq2seq.config import Config
from seq2seq.corpus.package_index import file_sha256
from seq2seq.corpus.subword import Vocabularies
from seq2seq.errors import ConfigError, RunError
from seq2seq.model.build import build_model
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.recipe import load_recipe, to_toml
from seq2seq.version import __version__

CONFIG, MODEL, MANIFEST = "config.toml", "model.safetensors", "manifest.json"


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """A model as it came out of its folder."""

    folder: Path
    config: Config
    vocabularies: Vocabularies
    model: Seq2Seq
    manifest: dict[str, Any]


def create_run(folder: Path, config: Config, vocabularies: Vocabularies) -> None:
    """Writes what is known before training: settings and vocabularies."""
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(folder / CONFIG, to_toml(config).encode())
    vocabularies.save(folder)


def renew_config(folder: Path, config: Config) -> None:
    """Writes changed settings of a run that goes on, and lets its manifest know."""
    write_durably(folder / CONFIG, to_toml(config).encode())
    if (folder / MANIFEST).is_file():
        content = _read_manifest(folder)
        content["files"][CONFIG] = _file_facts(folder / CONFIG)
        write_durably(folder / MANIFEST, json.dumps(content, indent=2, ensure_ascii=False).encode())


def save_model(folder: Path, weights: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Puts the model into its run folder and renews the manifest.

    Args:
        folder: an existing run folder, as :func:`create_run` leaves it.
        weights: as :func:`untied_weights` gives them.
        facts: anything worth knowing of where they come from: updates, scores, the corpus's fingerprint.
    """
    save_tensors(folder / MODEL, weights)
    write_manifest(folder, [CONFIG, MODEL, *sorted(path.name for path in folder.glob("subword.*.model"))], facts)


def load_run(folder: str | Path) -> LoadedRun:
    """Reads a run folder and checks every byte of it.

    Raises:
        RunError: no run, an unfinished one, or a damaged file, by name.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise RunError(f"{folder} is not a folder: expected a run, as 'seq2seq train' makes it")
    if not (folder / MODEL).is_file():
        raise RunError(f"{folder} holds no {MODEL}: train it first, for example with 'seq2seq train --run {folder}'")
    manifest = check_manifest(folder)
    config = read_config(folder)
    vocabularies = Vocabularies.load(folder, config.subword)
    # Without storage until the weights are known to fit: a forged config cannot ask for all the memory.
    with torch.device("meta"):
        model = build_model(config.model, len(vocabularies.src), len(vocabularies.tgt))
    restore_weights(model, load_tensors(folder / MODEL), folder / MODEL)
    return LoadedRun(folder, config, vocabularies, model, manifest)


def read_config(folder: Path) -> Config:
    """The settings a run was made with.

    Raises:
        RunError: there are none, or not of this version.
    """
    try:
        return load_recipe(str(folder / CONFIG))
    except ConfigError as error:
        raise RunError(f"{folder / CONFIG} cannot be used: {error}") from None


def untied_weights(model: Seq2Seq) -> dict[str, Tensor]:
    """The model's weights, each once: a shared table goes by the first of its names.

    The statistics that some backbones normalise with are among them.
    """
    return {name: tensor.detach() for name, tensor in (*model.named_parameters(), *model.named_buffers())}


def restore_weights(model: Seq2Seq, weights: Mapping[str, Tensor], path: Path) -> None:
    """Gives a model, possibly one without storage, the weights of a file.

    Raises:
        RunError: names or shapes differ.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in untied_weights(model).items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if expected != found:
        wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        name = wrong[0]
        raise RunError(
            f"{path} does not fit its {CONFIG}: {len(wrong)} tensors differ, for example {name}, "
            f"expected {expected.get(name)}, found {found.get(name)}"
        )
    first: dict[torch.nn.Parameter, torch.nn.Parameter] = {}
    for name, parameter in list(model.named_parameters(remove_duplicate=False)):
        if name in weights:
            first[parameter] = torch.nn.Parameter(weights[name])
        # A shared table comes again under its other names: they must stay one tensor.
        owner, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(owner), leaf, first[parameter])
    for name, _ in list(model.named_buffers()):
        owner, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(owner), leaf, weights[name])


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Writes tensors durably: never half a file under the final name."""
    scratch = path.with_name(path.name + ".part")
    try:
        save_file({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}, scratch)
        _sync_and_rename(scratch, path)
    except (OSError, safetensors.SafetensorError) as error:
        raise _write_error(path, error) from None
    finally:
        scratch.unlink(missing_ok=True)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Reads what :func:`save_tensors` wrote."""
    try:
        # In the file tensors lie at any address, and products round differently where they are not aligned.
        return {name: tensor.clone() for name, tensor in load_file(path).items()}
    except (OSError, safetensors.SafetensorError) as error:
        raise RunError(f"{path} cannot be read: {error}") from None


def write_durably(path: Path, content: bytes) -> None:
    """Replaces a file at once: after a crash there is the old content or the new, nothing between."""
    scratch = path.with_name(path.name + ".part")
    try:
        scratch.write_bytes(content)
        _sync_and_rename(scratch, path)
    except OSError as error:
        raise _write_error(path, error) from None
    finally:
        scratch.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes renames within a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_manifest(folder: Path, names: list[str], facts: Mapping[str, Any]) -> None:
    """Writes ``manifest.json`` over the named files."""
    files = {name: _file_facts(folder / name) for name in names}
    versions = {
        "seq2seq": __version__,
        "torch": torch.__version__,
        "sentencepiece": sentencepiece.__version__,
        "python": platform.python_version(),
    }
    content = {"files": files, "versions": versions, **facts}
    write_durably(folder / MANIFEST, json.dumps(content, indent=2, ensure_ascii=False).encode())


def check_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, after comparing every file it names with it.

    Raises:
        RunError: naming the first file that is missing or not what was written.
    """
    manifest = _read_manifest(folder)
    for name, facts in manifest["files"].items():
        path = folder / name
        if Path(name).name != name:
            raise RunError(f"{folder / MANIFEST} names {name!r}, which is not a file of this folder: it is forged")
        if not path.is_file():
            raise RunError(f"{path} is missing: this is not a complete run")
        if _file_facts(path) != facts:
            raise RunError(f"{path} is damaged: its SHA-256 is not the one in {MANIFEST}; restore it from a copy")
    return manifest


def _read_manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except FileNotFoundError:
        raise RunError(f"{folder / MANIFEST} is missing: this is not a complete run") from None
    except (OSError, ValueError):
        manifest = None
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not (
        isinstance(files, dict)
        and all(isinstance(one, dict) and one.keys() == {"sha256", "bytes"} for one in files.values())
    ):
        raise RunError(f"{folder / MANIFEST} is not a manifest: it is damaged")
    return dict(manifest)


def _file_facts(path: Path) -> dict[str, Any]:
    return {"sha256": file_sha256(path), "bytes": path.stat().st_size}


def _sync_and_rename(scratch: Path, path: Path) -> None:
    with scratch.open("rb") as stream:
        os.fsync(stream.fileno())
    os.replace(scratch, path)
    sync_folder(path.parent)


def _write_error(path: Path, error: Exception) -> RunError:
    if not path.parent.is_dir():
        return RunError(f"cannot write {path}: there is no folder {path.parent}; make it, or name another")
    free = shutil.disk_usage(path.parent).free
    return RunError(f"cannot write {path}: {error} ({free / 1e6:.0f} MB free there); what was there before is whole")
