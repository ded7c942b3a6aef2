"""Processes that ``torchrun`` starts: one that is killed, or a signal to all, costs nothing but time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seq2seq.corpus.prepared import prepare
from seq2seq.recipe import load_recipe
from seq2seq.runs.folder import load_tensors

pytestmark = pytest.mark.slow

LAST = 200


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    data = [f"data.directory={tmp_path_factory.mktemp('data')}", "data.train=900", "data.validation_size=9"]
    model = ["data.test_size=1", "model.hidden_size=16", "model.embedding_size=8", "model.dropout=0.2"]
    training = ["training.batch_tokens=150", f"training.max_updates={LAST}", "training.validate_every=40"]
    settings = [*data, *model, *training, "training.checkpoint_every=10", "training.precision=fp32"]
    prepare(load_recipe("reverse-digits", settings))
    return settings


@pytest.fixture(scope="module")
def start(overrides: list[str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def launch(run: Path, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", *options]
        # Without "--" torchrun takes --run for its own --run-path.
        command += ["-m", "--", "seq2seq", "train", "reverse-digits", "--device", "cpu", "--run", str(run)]
        command += [word for setting in overrides for word in ("--set", setting)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment))
        return started[-1]

    yield launch
    for process in started:  # one that a failed test has left; torchrun takes its processes with it
        with process:
            process.terminate()


@pytest.fixture(scope="module")
def whole(start: Callable[..., subprocess.Popen[str]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("whole") / "run"
    finish(start(run))
    return run


def finish(process: subprocess.Popen[str]) -> str:
    said = process.communicate(timeout=600)[1]
    assert process.returncode == 0, said
    return said


def digest(run: Path) -> dict[str, bytes]:
    last = run / "checkpoints" / f"{LAST:08d}" / "tensors.safetensors"
    tensors = load_tensors(last) | load_tensors(run / "model.safetensors")
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


def until_saved(run: Path, process: subprocess.Popen[str], updates: int) -> None:
    while not any(int(folder.name) >= updates for folder in (run / "checkpoints").glob("[0-9]" * 8)):
        assert process.poll() is None
        time.sleep(0.01)


def worker(launcher: subprocess.Popen[str], rank: int) -> int:
    """Process id of one of a launcher's children."""
    for child in Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split():
        if f"RANK={rank}" in Path(f"/proc/{child}/environ").read_text().split("\0"):
            return int(child)
    raise AssertionError(f"no process of rank {rank}")


@pytest.mark.skipif(not Path("/proc/self/environ").is_file(), reason="finds the process in /proc")
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_changes_nothing(
    rank: int, whole: Path, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    launcher = start(tmp_path / "run", "--max-restarts=1")
    until_saved(tmp_path / "run", launcher, 20)
    os.kill(worker(launcher, rank), signal.SIGKILL)
    said = finish(launcher)
    assert "going on from update" in said
    assert f"process {1 - rank} of 2 has lost the others" in said
    assert digest(tmp_path / "run") == digest(whole)


def test_a_signal_to_all_saves_and_stops(
    whole: Path, start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    launcher = start(tmp_path / "run")
    until_saved(tmp_path / "run", launcher, 20)
    launcher.send_signal(signal.SIGTERM)
    os.kill(worker(launcher, 1), signal.SIGTERM)  # a cluster tells all, and torchrun passes its own on
    said = launcher.communicate(timeout=120)[1]
    assert said.count("seq2seq: stopped by SIGTERM") == 1
    newest = max((tmp_path / "run" / "checkpoints").iterdir())
    assert int(newest.name) < LAST
    assert f"going on from update {int(newest.name)}:" in finish(start(tmp_path / "run"))
    assert digest(tmp_path / "run") == digest(whole)
