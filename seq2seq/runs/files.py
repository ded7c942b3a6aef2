"""A run without its weights: settings and vocabularies; without importing torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq.config import Config
from seq2seq.corpus.subword import Vocabularies
from seq2seq.corpus.target_lengths import TargetLengths
from seq2seq.errors import RunError
from seq2seq.files.manifest import MANIFEST, check_manifest
from seq2seq.runs.layout import MODEL, read_config, require_folder, settled_overrides


@dataclass(frozen=True, slots=True)
class RunFiles:
    """What a run's files say, save for the weights."""

    folder: Path
    config: Config
    """Its settings, with what ``auto`` became in training in its place."""
    vocabularies: Vocabularies
    target_lengths: TargetLengths
    """Of the training part."""
    manifest: dict[str, Any]


def read_run(folder: Path) -> RunFiles:
    """Reads a run after checking all its files, the weights too, against the manifest.

    Raises:
        RunError: not a run, an unfinished one, or a damaged file; names it.
    """
    require_folder(folder)
    if not (folder / MODEL).is_file():
        raise RunError(
            f"{folder} holds no {MODEL}: train it first ('seq2seq train RECIPE --run {folder}'), or name another"
        )
    manifest = check_manifest(folder)
    config = read_config(folder, settled_overrides(manifest))
    vocabularies = Vocabularies.load(folder, config.subword)
    return RunFiles(folder, config, vocabularies, _target_lengths(folder, manifest), manifest)


def _target_lengths(folder: Path, manifest: Mapping[str, Any]) -> TargetLengths:
    try:
        return TargetLengths.read(manifest["corpus"]["target lengths"])
    except KeyError:
        raise RunError(
            f"{folder / MANIFEST} does not say how long outputs may be: the run is of an earlier version of seq2seq; "
            "train it again"
        ) from None
