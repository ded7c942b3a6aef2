"""Watching a training: what is logged, what is told of it, and that neither needs luck or torch."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from seq2seq.cli import main
from seq2seq.files.lock import locked
from seq2seq.recipe import load_recipe, to_toml
from seq2seq.reports.text_plot import plot
from seq2seq.runs.history import Position, read_log
from seq2seq.training.log import LOG, Log, cut_log
from seq2seq.training.signals import Interrupted
from seq2seq.training.status import status
from seq2seq.training.train import train
from seq2seq.training.trainer import Trainer

TRAINING = {"loss": 2.0, "tokens_per_second": 1000.0, "learning_rate": 0.001, "skipped": 0}
TRAINING_OF_SKIPPED = {"tokens": 0, "tokens_per_second": 1000.0, "learning_rate": 0.001, "skipped": 50}
VALIDATION = {"perplexity": 5.0, "bleu": 20.0, "exact_match": 0.5, "best": True}


def at(updates: int) -> Position:
    return Position(updates=updates, epochs=updates / 100, minutes=updates / 10)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "config.toml").write_text(to_toml(load_recipe("reverse-digits")), encoding="utf-8")
    return tmp_path


@pytest.fixture
def log(run: Path) -> Log:
    return Log(run, tensorboard=False)


def test_what_a_checkpoint_takes_back_is_read_once(run: Path, log: Log) -> None:
    for updates in (10, 20, 30):
        log.add("training", at(updates), TRAINING)
    log.add("validation", at(30), VALIDATION)
    log.add("training", at(40), TRAINING)
    cut_log(run, 30)
    log.add("start", at(30), {})
    log.add("training", at(40), TRAINING | {"loss": 1.0})
    entries = read_log(run)
    kinds = [(entry.kind, entry.position.updates) for entry in entries]
    assert kinds[:3] == [("training", 10), ("training", 20), ("training", 30)]
    assert kinds[3:] == [("validation", 30), ("start", 30), ("training", 40)]
    assert entries[-1].numbers["loss"] == 1.0


@pytest.mark.parametrize(
    "junk",
    [
        b'{"type": "training", "updates": 30, "epo',
        b"\xff\xfe\n",
        b"[1, 2]\n17\nnull\n\n",
        b'{"type": "training", "updates": 30, "epochs": 1, "minutes": 1}\n',
        b'{"type": "other", "updates": 30, "epochs": 1, "minutes": 1}\n',
        b'{"type": "stop", "updates": 30, "epochs": 1, "minutes": 1, "signal": "\\u001b[2J"}\n',
        json.dumps({"type": "training", "updates": 30, "epochs": 1, "minutes": 1} | TRAINING | {"loss": "x"}).encode(),
        b'{"type": "training", "updates": Infinity, "epochs": 1, "minutes": 1}\n',
    ],
)
def test_lines_that_cannot_be_read_are_left_out_and_harm_no_other(run: Path, log: Log, junk: bytes) -> None:
    log.add("training", at(10), TRAINING)
    with (run / LOG).open("ab") as stream:
        stream.write(junk)
    assert [entry.position for entry in read_log(run)] == [at(10)]
    cut_log(run, 10)
    log.add("training", at(20), TRAINING)
    assert [entry.position for entry in read_log(run)] == [at(10), at(20)]
    assert "20 updates" in status(run)


def test_status_tells_where_training_stands(run: Path, log: Log) -> None:
    log.add("start", at(0), {})
    for updates in range(100, 1001, 100):
        log.add("training", at(updates), TRAINING | {"loss": 1000 / updates})
        log.add("validation", at(updates), VALIDATION | {"bleu": updates / 50, "best": updates <= 700})
    with locked(run):
        told = status(run)
    assert "running, last entry 0 seconds ago" in told
    assert "50%: 1,000 updates, 10.0 epochs, 100.0 minutes; about 100 minutes left" in told
    assert "perplexity 5.00, BLEU 14.0, at update 700" in told
    assert "loss 1.000, 1,000 tokens/s, learning rate 0.001, updates skipped: 0" in told
    assert all(title in told for title in ("training loss", "validation perplexity", "validation BLEU"))
    log.add("training", at(1100), TRAINING_OF_SKIPPED)
    assert "every update skipped, 1,000 tokens/s, learning rate 0.001, updates skipped: 50" in status(run)
    log.add("training", at(2000), TRAINING)
    assert "finished" in status(run)
    assert "left" not in status(run)


def test_status_asks_the_lock_and_not_the_clock(run: Path, log: Log) -> None:
    with locked(run):
        log.add("start", at(0), {})
        log.add("training", at(100), TRAINING)
        assert f"{run}: running, last entry" in status(run)
    assert f"{run}: not running, last entry 0 seconds ago" in status(run)
    lines = [json.loads(line) for line in (run / LOG).read_text().splitlines()]
    (run / LOG).write_text("".join(json.dumps(line | {"time": line["time"] - 8000}) + "\n" for line in lines))
    with locked(run):
        assert f"{run}: running, last entry 2 hours ago" in status(run)


def test_a_training_that_was_stopped_is_not_running(
    overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_after(7, monkeypatch)
    settings = {"run": tmp_path / "run", "overrides": overrides, "device": "cpu"}
    with pytest.raises(Interrupted):
        train("reverse-digits", **settings)
    assert "stopped by SIGTERM, last entry" in status(tmp_path / "run")
    train("reverse-digits", **settings)
    assert "finished, last entry" in status(tmp_path / "run")


def test_without_a_lock_a_log_that_is_silent_for_long_is_of_no_running_training(
    run: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seq2seq.training.status.is_locked", lambda folder: None)
    log.add("start", at(0), {})
    log.add("training", at(100), TRAINING)
    lines = [json.loads(line) for line in (run / LOG).read_text().splitlines()]
    (run / LOG).write_text("".join(json.dumps(line | {"time": line["time"] - 8000}) + "\n" for line in lines))
    assert "not running, it seems: last entry 2 hours ago" in status(run)
    # One that logs every half hour is not silent for long after an hour.
    lines[0]["time"] = lines[1]["time"] - 12_600
    lines[1]["time"] -= 3600
    (run / LOG).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "seems to be running" in status(run)


def test_patience_that_has_run_out_is_an_end(tmp_path: Path) -> None:
    settings = ["training.max_updates=0", "training.patience=2", "training.schedule=constant"]
    (tmp_path / "config.toml").write_text(to_toml(load_recipe("reverse-digits", settings)), encoding="utf-8")
    log = Log(tmp_path, tensorboard=False)
    for updates, best in ((1, True), (2, False), (3, False)):
        assert "finished" not in (status(tmp_path) if updates > 1 else "")
        log.add("validation", at(updates), VALIDATION | {"best": best})
    assert "finished" in status(tmp_path)


def test_nothing_logged_is_nothing_drawn(run: Path, log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(run) == f"{run}: nothing is logged yet"
    (run / LOG).touch()
    assert status(run) == f"{run}: nothing is logged yet"
    log.add("start", at(0), {})
    assert len(status(run).splitlines()) == 2
    assert main(["status", str(run / "nowhere")]) == 2
    assert "is not a folder: expected a run" in capsys.readouterr().err
    (run / "config.toml").unlink()
    assert main(["status", str(run)]) == 2
    assert "holds no config.toml" in capsys.readouterr().err


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60), (40, 15)])
def test_status_fits_the_terminal(run: Path, log: Log, width: int, height: int) -> None:
    for updates in range(1, 50):
        log.add("training", at(updates), TRAINING | {"loss": 7 / updates})
        log.add("validation", at(updates), VALIDATION | {"perplexity": 900 / updates})
    lines = status(run, width=width, height=height).splitlines()
    assert len(lines) < height
    assert max(len(line) for line in lines[4:]) <= width


def test_status_needs_no_torch(run: Path, log: Log) -> None:
    log.add("training", at(10), TRAINING)
    script = f"import sys; from seq2seq.cli import main; main(['status', {str(run)!r}]); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    assert done.stdout.endswith("\nFalse\n")


def test_plots_show_where_values_lie() -> None:
    falling = plot("loss", [(x, 100.0 - x) for x in range(101)], last=100, width=30, height=3)
    assert falling[0].split() == ["loss"]
    assert [line.split()[0] for line in (falling[1], falling[-1])] == ["100", "0"]
    curve = [line.partition("┤")[2] for line in falling[1:]]
    assert len(curve) == 3
    assert [bool(line[:6].strip()) for line in curve] == [True, False, False]
    assert [bool(line[14:].strip()) for line in curve] == [False, False, True]
    assert "".join(curve).strip("".join(map(chr, range(0x2801, 0x2900))) + " ") == ""


@pytest.mark.parametrize("points", [[], [(1, float("nan"))], [(1, float("inf"))]])
def test_without_numbers_there_is_no_plot(points: list[tuple[float, float]]) -> None:
    assert plot("loss", points, last=1, width=30, height=3) == []


@pytest.mark.parametrize("points", [[(0, 1.0)], [(5, 1.0)], [(1, 2.0), (2, 2.0)], [(1, 2.0), (2, float("nan"))]])
def test_one_value_is_a_plot_too(points: list[tuple[float, float]]) -> None:
    assert any("\u2800" < character <= "\u28ff" for character in "".join(plot("x", points, last=5, width=30, height=3)))


@pytest.fixture
def overrides(tmp_path: Path) -> list[str]:
    small = ["data.train=300", "data.validation_size=10", "data.test_size=0", "training.batch_tokens=200"]
    sizes = ["model.hidden_size=16", "model.embedding_size=8", "training.max_updates=12"]
    return [f"data.directory={tmp_path}", *small, *sizes, "training.validate_every=6", "training.log_every=2"]


class Board:
    """Stands in for TensorBoard's writer."""

    made: ClassVar[list["Board"]] = []

    def __init__(self, folder: str, purge_step: int) -> None:
        self.purge_step, self.points, self.open = purge_step, [], True
        self.made.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.points.append((name, step, value))

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.open = False


def stop_after(updates: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Trainer._update

    def update(self: Trainer, batches: list[Any]) -> None:
        real(self, batches)
        if self.state.updates == updates:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Trainer, "_update", update)


def test_log_and_curves_go_on_where_training_does(
    overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = ModuleType("torch.utils.tensorboard")
    stand_in.SummaryWriter = Board
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", stand_in)
    monkeypatch.setattr(Board, "made", [])
    stop_after(7, monkeypatch)
    settings = {"run": tmp_path / "run", "overrides": overrides, "device": "cpu", "tensorboard": True}
    with pytest.raises(Interrupted):
        train("reverse-digits", **settings)
    train("reverse-digits", **settings)
    entries = read_log(tmp_path / "run")
    assert [entry.position.updates for entry in entries if entry.kind == "training"] == [2, 4, 6, 8, 10, 12]
    assert [entry.position.updates for entry in entries if entry.kind == "validation"] == [6, 12]
    assert [entry.position.updates for entry in entries if entry.kind == "start"] == [0, 7]
    assert time.time() - entries[-1].time < 60
    first, second = Board.made
    assert (first.purge_step, second.purge_step) == (1, 8)
    assert not first.open
    assert not second.open
    points = [(name, step) for board in (first, second) for name, step, _ in board.points]
    assert len(points) == len(set(points))
    assert {name for name, _ in points} >= {"training/loss", "validation/chrf", "training/learning_rate"}
    assert [step for name, step in points if name == "training/loss"] == [2, 4, 6, 8, 10, 12]


def test_without_tensorboard_it_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert main(["train", "reverse-digits", "--run", "never", "--tensorboard"]) == 2
    captured = capsys.readouterr().err
    assert captured.startswith("seq2seq: --tensorboard needs a package that is not here: pip install")
    assert captured.count("\n") == 1
    assert not Path("never").exists()


def test_tensorboard_reads_no_point_twice(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="an extra")
    for updates in ((0, 10, 20, 30), (20, 30, 40)):  # killed after 30, begun again at 20
        with Log(tmp_path, tensorboard=True) as log:
            log.add("start", at(updates[0]), {})
            for number in updates[1:]:
                log.add("training", at(number), TRAINING)
    events = reader.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("training/loss")] == [10, 20, 30, 40]
