"""A training of one recipe and seed ends with the same weights, killed and continued or not; on a GPU too."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from seq2seq.files.hashing import file_sha256

_SETTINGS = ("training.max_updates=300", "training.checkpoint_every=20", "training.validate_every=150")


def train(run: Path, device: str, directory: Path) -> subprocess.Popen[bytes]:
    settings = [word for setting in (*_SETTINGS, f"data.directory={directory}") for word in ("--set", setting)]
    command = [sys.executable, "-m", "seq2seq", "train", "reverse-digits", "--run", str(run), "--device", device]
    return subprocess.Popen([*command, *settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def end(process: subprocess.Popen[bytes], run: Path) -> str:
    assert process.wait(timeout=240) == 0
    return file_sha256(run / "model.safetensors")


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_a_training_ends_with_the_same_bits_killed_or_not(device: str, tmp_path: Path) -> None:
    hashes = [end(train(tmp_path / name, device, tmp_path), tmp_path / name) for name in ("first", "second")]
    third = tmp_path / "third"
    process = train(third, device, tmp_path)
    while not list(third.glob("checkpoints/*[1-9]*")):  # a first one after some updates, besides that at the start
        assert process.poll() is None
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -9
    assert hashes == [end(train(third, device, tmp_path), third)] * 2
