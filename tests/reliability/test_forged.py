"""Files made to do harm: refused in a line, nothing of theirs is run, and memory stays bounded."""

import json
import os
import pickle
import re
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from children import Child
from safetensors.torch import load_file, save_file
from work import load_with_little_memory

from seq2seq.config import SubwordConfig
from seq2seq.corpus.subword import Subword
from seq2seq.files.manifest import digest, write_manifest


class _Harm:
    """Leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., int], tuple[str]]:
        return os.system, (f"touch '{self.mark}'",)


def _pickle(run: Path) -> None:
    (run / "model.safetensors").write_bytes(pickle.dumps(_Harm(run / "harmed")))


def _torch_pickle(run: Path) -> None:
    torch.save({"weights": _Harm(run / "harmed")}, run / "model.safetensors")


def _endless_header(run: Path) -> None:
    (run / "model.safetensors").write_bytes(struct.pack("<Q", 2**40) + b"{}")


def _endless_tensor(run: Path) -> None:
    header = json.dumps({"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}).encode()
    (run / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)


def _other_types(run: Path) -> None:
    weights = {name: tensor.long() for name, tensor in load_file(run / "model.safetensors").items()}
    save_file(weights, run / "model.safetensors")


def _settings(old: str, new: str) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        text = (run / "config.toml").read_text(encoding="utf-8")
        assert old in text
        (run / "config.toml").write_text(text.replace(old, new), encoding="utf-8")

    return change


def _no_vocabulary(run: Path) -> None:
    (run / "subword.joint.model").write_bytes(b"\x0a" + b"\xff" * 1000)


FORGERIES = {
    "a pickle": (_pickle, "model.safetensors cannot be read"),
    "a torch pickle": (_torch_pickle, "model.safetensors cannot be read"),
    "a header without end": (_endless_header, "model.safetensors cannot be read"),
    "a tensor without end": (_endless_tensor, "model.safetensors cannot be read"),
    "whole numbers for weights": (_other_types, "expected .* float32, found .* int64"),
    "a thousand million layers": (_settings("layers = 2", "layers = 1000000000"), "model.layers = 1000000000"),
    "layers without end in width": (_settings("hidden_size = 32", "hidden_size = 1000000000"), "model.hidden_size"),
    "the largest model there may be": (
        _settings("layers = 2\nhidden_size = 32", "layers = 64\nhidden_size = 65536"),
        "does not fit",
    ),
    "no vocabulary": (_no_vocabulary, "not a sentencepiece model"),
}


@pytest.fixture
def run(digits_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(digits_run, tmp_path / "run"))


def _seal(run: Path) -> None:
    """Writes a manifest as if nothing had happened."""
    corpus = json.loads((run / "manifest.json").read_bytes())["corpus"]
    write_manifest(run, ["config.toml", "model.safetensors", "subword.joint.model"], {"corpus": corpus})


def _refused(run: Path) -> str:
    status, words = Child(load_with_little_memory, run).end()
    assert status == 2, words
    assert not (run / "harmed").exists()
    lines = words.splitlines()
    assert len(lines) == 1, words
    return lines[0]


@pytest.mark.parametrize("kind", FORGERIES)
def test_a_forged_run_is_refused(kind: str, run: Path) -> None:
    forge, reason = FORGERIES[kind]
    forge(run)
    _seal(run)
    assert re.search(reason, _refused(run))


def test_a_vocabulary_of_another_size_is_refused(run: Path) -> None:
    other = Subword.train(["abcdefghijklmnop"], SubwordConfig(type="char", byte_fallback=False), vocab_size=30)
    (run / "subword.joint.model").write_bytes(other.model)
    _seal(run)
    assert "does not fit its config.toml" in _refused(run)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../secret"])
def test_a_manifest_that_points_outside_is_refused(name: str, run: Path) -> None:
    content = {"files": {name: {"sha256": "0" * 64, "bytes": 1}}}
    (run / "manifest.json").write_text(json.dumps(content | {"digest": digest(content)}), encoding="utf-8")
    assert "is forged" in _refused(run)


def test_a_manifest_nested_without_end_is_refused(run: Path) -> None:
    (run / "manifest.json").write_bytes(b"[" * 10_000_000)
    assert "manifest.json is not a manifest" in _refused(run)
