"""Tensors on disk: what a kill leaves of a write."""

import os
from pathlib import Path

import pytest
import torch

from seq2seq.files import tensors
from seq2seq.files.tensors import load_tensors, save_tensors


def test_what_a_kill_left_of_a_write_is_gone_after_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, weights = tmp_path / "model.safetensors", {"weight": torch.arange(3.0)}

    def killed(_: object, target: Path) -> None:
        (Path(target).parent / ".tmpRANDOM").touch()  # as safetensors names what it then renames
        os._exit(9)

    child = os.fork()
    if not child:
        monkeypatch.setattr(tensors, "save_file", killed)
        save_tensors(path, weights)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert not path.exists()
    save_tensors(path, weights)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.safetensors"]
    assert torch.equal(load_tensors(path)["weight"], weights["weight"])
