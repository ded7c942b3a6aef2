"""Flipped bits, cut files and forgeries: refused by name, in bounded time and memory."""

import errno
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from seq2seq.errors import RunError
from seq2seq.evaluation.record import is_evaluated
from seq2seq.files import manifest
from seq2seq.runs.folder import load_run
from seq2seq.training.checkpoint import checkpoint_folders, load_checkpoint
from seq2seq.training.status import status

# What a run is loaded from. The others (log.jsonl, evaluation.json, README.md, training.holder) are for reading only.
RUN_FILES = ("config.toml", "model.safetensors", "subword.joint.model", "manifest.json")
CHECKPOINT_FILES = ("tensors.safetensors", "state.json", "manifest.json")


@pytest.fixture(scope="module")
def run(digits_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(shutil.copytree(digits_run, tmp_path_factory.mktemp("damage") / "run"))


def _loaded(run: Path) -> dict[str, Any]:
    """All that is used of a run."""
    found = load_run(run)
    manifest = {key: value for key, value in found.manifest.items() if key in ("files", "updates", "corpus")}
    weights = {name: tensor.detach().numpy().tobytes() for name, tensor in found.model.named_parameters()}
    return {"config": found.config, "src": found.vocabularies.src.model, "manifest": manifest, "weights": weights}


def _resumed(run: Path) -> dict[str, Any]:
    """All that training goes on from."""
    checkpoint = load_checkpoint(run)
    assert checkpoint
    tensors = {name: tensor.numpy().tobytes() for name, tensor in checkpoint.tensors.items()}
    return {"tensors": tensors, "progress": checkpoint.numbers}


def _flip(whole: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(whole)
    damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _cut(whole: bytes, chance: random.Random) -> bytes:
    return whole[: chance.randrange(len(whole))]


@pytest.mark.slow
@pytest.mark.parametrize(("damage", "times"), [(_flip, 300), (_cut, 100)])
def test_no_damage_is_loaded_in_silence(
    damage: Any, times: int, run: Path, chance: random.Random, capsys: pytest.CaptureFixture[str]
) -> None:
    newest, before = checkpoint_folders(run)[:2]
    model, state = _loaded(run), _resumed(run)
    shutil.move(newest, run / "newest")
    state_before = _resumed(run)
    shutil.move(run / "newest", newest)
    for _ in range(times):
        name = chance.choice([*RUN_FILES, *(f"checkpoints/{newest.name}/{name}" for name in CHECKPOINT_FILES)])
        path = run / name
        whole = path.read_bytes()
        path.write_bytes(damage(whole, chance))
        if "checkpoints" in name:
            found, expected, fallen_back = _resumed(run), state, state_before
            noticed = f"{newest.name}/" in capsys.readouterr().err
            assert found == (fallen_back if noticed else expected), name
        else:
            try:
                found, noticed = _loaded(run), False
            except RunError as error:
                noticed = Path(name).name in str(error)
            assert noticed or found == model, name
        # The same numbers may be written otherwise: 1e-05 and 1E-05.
        assert noticed or (path.suffix == ".json" and json.loads(path.read_bytes()) == json.loads(whole)), name
        path.write_bytes(whole)
    assert before.is_dir()


def test_what_is_for_reading_only_does_not_matter(run: Path, chance: random.Random) -> None:
    model, state = _loaded(run), _resumed(run)
    for name in ("log.jsonl", "evaluation.json", "README.md", "training.holder"):
        whole = (run / name).read_bytes()
        for damage in (_flip, _cut):
            (run / name).write_bytes(damage(whole, chance))
            assert _loaded(run) == model
            assert _resumed(run) == state
            status(run, width=80, height=20)
        (run / name).write_bytes(whole)


def test_damaged_scores_are_not_believed(run: Path, chance: random.Random) -> None:
    path = run / "evaluation.json"
    whole = path.read_bytes()
    assert is_evaluated(run)
    for damage in [_flip] * 200 + [_cut] * 50:
        damaged = damage(whole, chance)
        path.write_bytes(damaged)
        assert not is_evaluated(run) or json.loads(damaged) == json.loads(whole)  # the same numbers, written otherwise
    path.write_bytes(whole)


def test_a_file_that_cannot_be_read_is_named_and_the_checkpoint_before_it_used(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = checkpoint_folders(run)[0]
    sha256 = manifest.file_sha256

    def fail(path: Path) -> str:
        if path.parent == newest:
            raise OSError(errno.EIO, "Input/output error")
        return sha256(path)

    monkeypatch.setattr(manifest, "file_sha256", fail)
    found = load_checkpoint(run)
    assert found
    assert found.numbers["updates"] < int(newest.name)
    assert f"{newest.name}/tensors.safetensors cannot be read (Input/output error)" in capsys.readouterr().err
