"""Signals save and stop with a status that others rely on; a folder is one training's; equal commands, equal bits."""

import os
import signal
import time
from pathlib import Path

import pytest
import torch
from children import Child
from reference import Reference, ending
from work import hold_lock, seq2seq, train_at_leisure

from seq2seq.errors import RunError
from seq2seq.files.lock import locked
from seq2seq.runs.history import read_log
from seq2seq.training.checkpoint import Checkpoint, checkpoint_folders, load_checkpoint


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGUSR1, 0)])
def test_a_signal_saves_at_the_next_update(number: int, status: int, reference: Reference, tmp_path: Path) -> None:
    run = tmp_path / "run"
    # Nothing is saved but at the beginning and because of the signal.
    command = [*reference.arguments(run), "--set", "training.checkpoint_every=0", "--set", "training.validate_every=99"]
    child = Child(train_at_leisure, *command)
    while not any(entry.kind == "training" for entry in read_log(run)):  # an update or two are done
        assert child.process.is_alive(), child.words()
        time.sleep(0.01)
    assert child.process.pid
    os.kill(child.process.pid, number)
    found, words = child.end()
    assert found == status, words
    assert f"stopped by {signal.Signals(number).name}" in words
    checkpoint = load_checkpoint(run)
    assert checkpoint
    assert 0 < checkpoint.numbers["updates"] < 24
    assert Child(seq2seq, *command).end()[0] == 0
    weights = [Checkpoint.weights(load_checkpoint(each)) for each in (run, reference.run)]
    assert all(torch.equal(one, weights[1][name]) for name, one in weights[0].items())


def test_a_second_training_is_told_of_the_first(tmp_path: Path) -> None:
    child = Child(hold_lock, tmp_path)
    while "held" not in child.words():
        assert child.process.is_alive(), child.words()
        time.sleep(0.01)
    holder = f"by process {child.process.pid} on {os.uname().nodename}: wait for it"
    with pytest.raises(RunError, match=holder), locked(tmp_path):
        pass
    child.kill()
    with locked(tmp_path), pytest.raises(RunError, match=f"by process {os.getpid()} "), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_command_gives_the_same_bits(threads: int, reference: Reference, tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        run = tmp_path / name
        assert Child(seq2seq, *reference.arguments(run), threads=threads).end()[0] == 0
        found.append(ending(run))
        assert len(checkpoint_folders(run)) == 2
    assert found[0] == found[1]
    if threads == 1:
        assert found[0] == reference.ending
