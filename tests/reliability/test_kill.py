"""SIGKILL at any moment, then the same command: as if nothing had happened."""

import random
import shutil
import time
from pathlib import Path

import pytest
import torch
from children import Child
from reference import Reference, ending
from work import command_killed_at, save_without_end, seq2seq

from seq2seq.runs.folder import load_run
from seq2seq.runs.layout import MODEL
from seq2seq.training.checkpoint import checkpoint_folders, load_checkpoint


@pytest.mark.slow
@pytest.mark.parametrize("number", range(20))
def test_a_killed_training_ends_as_if_it_had_not_been(
    number: int, reference: Reference, chance: random.Random, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = reference.arguments(run)
    if number % 2:  # between two touches of files, of which most are those of saving
        status, words = Child(command_killed_at, chance.randint(1, reference.touches), str(run), *command).end()
        assert status == -9, words
    else:  # wherever it is by then, in the middle of a write perhaps
        child = Child(seq2seq, *command)
        time.sleep(chance.uniform(0, reference.seconds))
        child.kill()
    if (run / MODEL).is_file() and (run / "manifest.json").is_file():
        load_run(run)  # once there is a model, there is one at every moment
    status, words = Child(seq2seq, *command).end()
    assert status == 0, words
    assert "damaged" not in words
    assert ending(run) == reference.ending


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return {name: tensor.detach() for name, tensor in load_run(run).model.named_parameters()}


@pytest.fixture
def run(digits_run: Path, tmp_path: Path) -> Path:
    run = Path(shutil.copytree(digits_run, tmp_path / "run"))
    shutil.rmtree(run / "checkpoints")
    return run


@pytest.mark.slow
def test_what_is_killed_while_saving_can_be_read(run: Path, chance: random.Random) -> None:
    for _ in range(60):
        child = Child(save_without_end, run)
        while len(checkpoint_folders(run)) < 2:
            assert child.process.is_alive(), child.words()
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.05))
        child.kill()
        checkpoint = load_checkpoint(run)
        assert checkpoint
        number = checkpoint.numbers["updates"]
        assert all((tensor == number).all() for tensor in checkpoint.tensors.values())
        values = {float(value) for tensor in _weights(run).values() for value in (tensor.min(), tensor.max())}
        assert len(values) == 1
        assert values <= {number, number + 1}
        shutil.rmtree(run / "checkpoints")


@pytest.mark.slow
def test_a_run_can_be_read_while_it_is_written(run: Path) -> None:
    child = Child(save_without_end, run)
    seen = set()
    deadline = time.monotonic() + 60
    while len(seen) < 20 and time.monotonic() < deadline:
        tensor = next(iter(_weights(run).values()))
        seen.add(float(tensor.flatten()[0]))
    child.kill()
    assert len(seen) >= 20, child.words()
