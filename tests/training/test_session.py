"""A training session: which model it keeps and why, when it stops, what it writes, logs and says.

Models are real and tiny; what validations find is written down beforehand.
"""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from seq2seq.config import Config
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.prepared import Prepared, corpus_summary, prepare
from seq2seq.decoding.translator import Translator
from seq2seq.device import DeviceSpec
from seq2seq.errors import RunError
from seq2seq.files.tensors import load_tensors
from seq2seq.metrics.criterion import Criterion
from seq2seq.recipe import load_recipe
from seq2seq.runs.history import Position, read_log
from seq2seq.runs.layout import read_config
from seq2seq.training import session
from seq2seq.training.checkpoint import checkpoint_folders, load_checkpoint, save_checkpoint
from seq2seq.training.distributed import World
from seq2seq.training.log import LOG, Log
from seq2seq.training.session import TrainingSession
from seq2seq.training.signals import Interrupted
from seq2seq.training.status import status
from seq2seq.training.validation import Validation, criterion_of

CPU = DeviceSpec.pick("cpu", "fp32")
SAMPLES = [(Pair("4 917", "7194"), "719"), (Pair("x " * 300, "y"), "z " * 300)]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Config:
    data = [f"data.directory={tmp_path_factory.mktemp('data')}", "data.train=300", "data.validation_size=5"]
    sizes = ["data.test_size=0", "model.hidden_size=4", "model.embedding_size=4", "model.layers=1"]
    metric = ["training.validation_metric=chrf"]
    limits = ["training.max_updates=6", "training.validate_every=1", "training.keep_checkpoints=99"]
    return load_recipe("reverse-digits", [*data, *sizes, *limits, "training.batch_tokens=500", *metric])


@pytest.fixture(scope="module")
def corpus(recipe: Config) -> Prepared:
    return prepare(recipe)


@dataclass
class Bar:
    """Stands in for the progress bar."""

    options: dict[str, Any]
    n: float = 0.0
    postfixes: list[str] = field(default_factory=list)

    def __enter__(self) -> "Bar":
        self.n = self.options["initial"]
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, more: float) -> None:
        self.n += more

    def set_postfix_str(self, text: str) -> None:
        self.postfixes.append(text)

    def write(self, text: str, file: Any) -> None:
        print(text, file=file)


class Trained:
    """Trains a run whose validations find what is told, and remembers the weights that each of them met."""

    def __init__(self, recipe: Config, corpus: Prepared, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.recipe, self.corpus, self.folder = recipe, corpus, folder
        self.weights: list[dict[str, Tensor]] = []
        self.bars: list[Bar] = []
        self.results: list[Validation] = []
        self.world = World()
        monkeypatch.setattr(session, "validate", self._validate)
        monkeypatch.setattr(session, "tqdm", self._bar)

    def _validate(self, predictor: Translator, pairs: list[Pair], world: World, criterion: Criterion) -> Validation:
        assert isinstance(predictor, Translator)
        assert (pairs, world) == (self.corpus.validation, self.world)
        assert criterion == self.results[len(self.weights)].criterion
        self.weights.append({name: value.detach().clone() for name, value in predictor.model.named_parameters()})
        return self.results[len(self.weights) - 1]

    def _bar(self, **options: Any) -> Bar:
        self.bars.append(Bar(options))
        return self.bars[-1]

    def config(self, **settings: Any) -> Config:
        return replace(self.recipe, training=replace(self.recipe.training, **settings))

    def session(self, **settings: Any) -> TrainingSession:
        log = Log(self.folder, tensorboard=False)
        return TrainingSession(self.folder, self.config(**settings), self.corpus, CPU, self.world, log)

    def __call__(self, results: Sequence[tuple[float, float]] = (), **settings: Any) -> TrainingSession:
        """Trains; ``results`` are perplexity and the criterion's score of each validation."""
        self.results += [self.found(*result, **settings) for result in results]
        trained = self.session(**settings)
        trained.run()
        return trained

    def found(self, perplexity: float, score: float, **settings: Any) -> Validation:
        criterion = criterion_of(self.config(**settings), self.corpus.validation)
        return Validation(perplexity, score, 0.5, SAMPLES, 0, criterion)

    def log(self, kind: str) -> list[int]:
        return [entry.position.updates for entry in read_log(self.folder) if entry.kind == kind]

    def manifest(self) -> dict[str, Any]:
        return json.loads((self.folder / "manifest.json").read_bytes())


@pytest.fixture
def trained(recipe: Config, corpus: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Trained:
    return Trained(recipe, corpus, tmp_path / "run", monkeypatch)


LAST, FLAT = (9.0, 0.0), [(9.0, 0.0)] * 6


@pytest.mark.parametrize(
    ("metric", "results", "best"),
    [
        ("chrf", [(9, 10), (9, 30), (9, 20)], [True, True, False]),
        ("chrf", [(9, 10), (5, 10), (7, 10)], [True, True, False]),  # of equals perplexity decides
        ("chrf", [(9, 10), (9, 10), (9, 10)], [True, False, False]),  # the first of equals stays
        ("chrf", [(9, 10), (1, 9.9), (99, 10.1)], [True, False, True]),
        ("cer", [(9, 30), (9, 10), (9, 20)], [True, True, False]),  # less is better
        ("perplexity", [(9, 10), (5, 5), (6, 99)], [True, True, False]),
        ("perplexity", [(9, 10), (9, 99), (8.9, 0)], [True, False, True]),
    ],
)
def test_the_best_model_is_kept(
    metric: str, results: list[tuple[float, float]], best: list[bool], trained: Trained
) -> None:
    trained(results, max_updates=3, validation_metric=metric)
    kept = max(index for index, better in enumerate(best) if better)
    entries = [entry.numbers for entry in read_log(trained.folder) if entry.kind == "validation"]
    assert [numbers["best"] for numbers in entries] == best
    assert [(numbers["perplexity"], numbers["cer" if metric == "cer" else "chrf"]) for numbers in entries] == results
    model = load_tensors(trained.folder / "model.safetensors")
    assert all(torch.equal(tensor, trained.weights[kept][name]) for name, tensor in model.items())
    assert model.keys() == trained.weights[kept].keys()
    manifest = trained.manifest()
    assert manifest["updates"] == kept + 1
    assert manifest["validation"] == trained.results[kept].scores()
    assert manifest["settled"] == {"evaluation.tokenize": "13a"}
    assert manifest["corpus"] == json.loads(json.dumps(trained.corpus.report))


@pytest.mark.parametrize(("patience", "last"), [(1, 3), (2, 6), (3, 7)])
def test_patience_stops_the_loop_when_status_says_so(patience: int, last: int, trained: Trained) -> None:
    bleu = [1, 2, 2, 3, 3, 2, 3, 1, 1, 1]  # the best are the 1st, 2nd and 4th
    settings = {"patience": patience, "max_updates": 0, "schedule": "constant", "validate_every": 2}
    trained([(9.0, score) for score in bleu], **settings)
    assert trained.log("validation") == [2 * number for number in range(1, last + 1)]
    assert "finished" in status(trained.folder)
    lines = (trained.folder / LOG).read_text().splitlines(keepends=True)
    (trained.folder / LOG).write_text("".join(lines[:-1]))
    assert "finished" not in status(trained.folder)


def test_each_thing_comes_at_its_interval(trained: Trained) -> None:
    trained(FLAT, max_updates=10, validate_every=4, checkpoint_every=3, log_every=5)
    assert trained.log("start") == [0]
    assert trained.log("training") == [5, 10]
    assert trained.log("validation") == [4, 8, 10]  # the last update is always validated
    assert [int(folder.name) for folder in checkpoint_folders(trained.folder)] == [10, 9, 8, 6, 4, 3, 0]


def test_without_an_interval_only_validations_are_saved_and_few_stay(trained: Trained) -> None:
    trained(FLAT, max_updates=9, validate_every=3, keep_checkpoints=2)
    assert [int(folder.name) for folder in checkpoint_folders(trained.folder)] == [9, 6]


def test_a_new_run_begins_with_a_checkpoint_before_any_model(trained: Trained) -> None:
    begun = trained.session()
    assert [int(folder.name) for folder in checkpoint_folders(trained.folder)] == [0]
    assert not (trained.folder / "model.safetensors").exists()
    assert (trained.folder / "config.toml").is_file()
    checkpoint = load_checkpoint(trained.folder)
    weights = checkpoint.weights()
    assert all(torch.equal(tensor, weights[name]) for name, tensor in begun.trainer.model.named_parameters())
    assert checkpoint.numbers["processes"] == 1
    assert checkpoint.numbers["corpus"] == trained.corpus.report["fingerprint"]


def test_scores_of_an_older_model_go_when_a_better_one_comes(trained: Trained) -> None:
    trained.folder.mkdir()
    scores = [trained.folder / name for name in ("evaluation.json", "README.md")]
    for bleu, there in ((1.0, False), (0.5, True), (2.0, False)):
        for path in scores:
            path.write_text("{}")
        trained([(9.0, bleu)], max_updates=len(trained.results) + 1)
        assert [path.exists() for path in scores] == [there, there]


def test_it_goes_on_where_it_stopped(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    trained([(9.0, 2.0), (9.0, 1.0)], max_updates=2, log_every=1)
    assert " parameters, " in capsys.readouterr().err
    Log(trained.folder, tensorboard=False).add("training", Position(updates=5), {})  # beyond the checkpoint
    (trained.folder / "checkpoints" / "00000007.part").mkdir()
    again = trained.session(max_updates=4)
    assert (again.trainer.state.updates, again.trainer.state.stale, again.trainer.state.best) == (2, 1, [2.0, -9.0])
    assert trained.log("training") == [1, 2]
    assert not list(trained.folder.glob("checkpoints/*.part"))
    trained.results += [trained.found(9.0, 3.0), trained.found(9.0, 0.0)]
    again.run()
    words = capsys.readouterr().err
    parameters = sum(weight.numel() for weight in again.trainer.model.parameters())
    assert f"going on from update 2: {parameters:,} parameters, cpu in fp32, padding " in words
    assert "processes" not in words
    assert (trained.log("start"), trained.log("validation")) == ([0, 2], [1, 2, 3, 4])
    assert trained.manifest()["updates"] == 3


def test_what_is_said_of_a_training(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    trained([(9.0, 2.0), (8.126, 1.0)], max_updates=2, log_every=1)
    words = capsys.readouterr().err
    assert words.startswith(f"{corpus_summary(trained.corpus)}\ntraining: ")
    trainer = trained.session().trainer
    parameters, padding = sum(map(Tensor.numel, trainer.model.parameters())), trainer.batches.order.padding_share()
    assert (
        f"\ntraining: {parameters:,} parameters, cpu in fp32, padding {padding:.1%}; Ctrl-C saves and stops\n" in words
    )
    said = (
        "0.0 min: perplexity 9.00, chrF2 2.0, exact match 50.0% (greedy), the best so far\n  4 917\n    → 719\n  x x x"
    )
    assert f"update 1, epoch 0.1, {said}" in words
    assert "perplexity 8.13, chrF2 1.0, exact match 50.0% (greedy)\n" in words
    assert max(map(len, words.splitlines())) < 210
    (bar, *_) = trained.bars
    assert (bar.options["total"], bar.options["initial"], bar.options["disable"]) == (100, 0, None)
    assert bar.n == pytest.approx(100)
    assert all(", ppl " in text and text.endswith(" tok/s") for text in bar.postfixes)
    *while_training, at_the_end = bar.postfixes
    assert [text.partition(" left, loss ")[0] for text in while_training] == ["0 seconds", "0 seconds"]
    assert at_the_end.startswith("loss ")
    trained(max_updates=2)
    assert f"{trained.folder} is trained already (2 updates)" in capsys.readouterr().err
    assert len(trained.bars) == 1
    (start,) = (entry.numbers for entry in read_log(trained.folder) if entry.kind == "start")
    machine = DeviceSpec.pick("cpu").machine
    assert start == {"device": "cpu", "machine": machine, "precision": "fp32", "processes": 1, "batch_tokens": 500}


def test_a_size_of_batches_that_was_chosen_is_said(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    trained([LAST], max_updates=1, batch_tokens="auto")
    assert "cpu in fp32, batches of 200 tokens, padding" in capsys.readouterr().err
    assert read_config(trained.folder).training.batch_tokens == 200
    (start,) = (entry.numbers for entry in read_log(trained.folder) if entry.kind == "start")
    assert start["batch_tokens"] == 200


def test_a_bar_of_a_training_that_goes_on_begins_where_it_stopped(trained: Trained) -> None:
    trained([LAST], max_updates=1)
    trained([LAST] * 3, max_updates=4)
    assert trained.bars[1].options["initial"] == 25
    assert trained.bars[1].n == pytest.approx(100)


def test_a_bar_that_is_full_tells_no_time_left(trained: Trained) -> None:
    trained([LAST], max_updates=5, validate_every=5, log_every=4)
    (bar,) = trained.bars
    assert [text.partition("loss ")[0] for text in bar.postfixes] == ["0 seconds left, ", ""]


def test_patience_alone_tells_no_time(trained: Trained) -> None:
    trained(FLAT, max_updates=0, patience=2, schedule="constant", log_every=1)
    assert all(text.startswith("loss ") for text in trained.bars[0].postfixes)


def test_validations_count_as_training_time(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count(step=60)  # a minute between two looks
    monkeypatch.setattr(session, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    trained(FLAT, max_updates=3)
    minutes = [entry.position.minutes for entry in read_log(trained.folder) if entry.kind == "validation"]
    assert minutes == pytest.approx([1, 2, 3], abs=0.2)


@pytest.mark.parametrize("validate_every", [1, 5])
def test_a_signal_saves_and_stops(validate_every: int, trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = trained.session(max_updates=9, validate_every=validate_every)
    trained.results += [trained.found(9.0, 1.0)] * 9
    update = stopped.trainer._update

    def signalled(batches: list[Any]) -> None:
        update(batches)
        if stopped.trainer.state.updates == 3:
            stopped.trainer._received = lambda: 15

    monkeypatch.setattr(stopped.trainer, "_update", signalled)
    with pytest.raises(Interrupted) as caught:
        stopped.run()
    assert caught.value.exit_code == 143
    assert int(checkpoint_folders(trained.folder)[0].name) == 3
    assert trained.log("validation") == ([1, 2, 3] if validate_every == 1 else [])


def test_a_signal_during_the_last_save_is_not_lost(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    last = trained.session(max_updates=1)
    trained.results.append(trained.found(9.0, 1.0))
    wait = last.writer.wait

    def signalled() -> None:
        wait()
        last.trainer._received = lambda: 10

    monkeypatch.setattr(last.writer, "wait", signalled)
    with pytest.raises(Interrupted, match="SIGUSR1"):
        last.run()


def test_a_save_that_fails_is_noticed_at_the_next_update(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = trained.session(max_updates=9, validate_every=2)
    trained.results.append(trained.found(9.0, 1.0))
    start = failing.writer.start

    def refuse(*_: object) -> None:
        raise RunError("no room")

    def begin_and_finish(write: Callable[[], None]) -> None:
        start(write)
        assert failing.writer._writing.exception()  # waits for it

    monkeypatch.setattr(session, "save_checkpoint", refuse)
    monkeypatch.setattr(failing.writer, "start", begin_and_finish)
    with pytest.raises(RunError, match="no room"):
        failing.run()
    assert failing.trainer.state.updates == 3


@pytest.mark.parametrize("finetunes", [True, False])
def test_captions_are_validated_on_what_training_reads(
    finetunes: bool, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    captioning = trained.session()
    looks: list[tuple[list[str], bool]] = []
    pictures = SimpleNamespace(look=lambda names, *, pixels: looks.append((names, pixels)))
    monkeypatch.setattr(captioning.trainer.batches, "pictures", pictures)
    monkeypatch.setattr(captioning.trainer, "finetunes", lambda: finetunes)
    monkeypatch.setattr(session, "Captioner", lambda members, device_spec, look: look)
    captioning._predictor()(["a.png"])
    assert looks == [(["a.png"], finetunes)]


def test_another_number_of_processes_is_told(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    trained([LAST], max_updates=1)
    checkpoint = load_checkpoint(trained.folder)
    checkpoint.numbers["processes"] = 4
    save_checkpoint(trained.folder, checkpoint, 2)
    capsys.readouterr()
    trained([LAST], max_updates=2, accumulate=3)
    assert (
        f"warning: {trained.folder} was begun with 4 processes and goes on with 1: "
        "an update is now made of 3 batches\n" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"corpus": "other"}, r"was begun on another state of its corpus reverse: bring that state back"),
        ({"best_update": 0}, r"was begun with another version of seq2seq than \d"),
    ],
)
def test_a_run_of_another_corpus_or_version_is_refused(change: dict[str, Any], message: str, trained: Trained) -> None:
    trained([LAST], max_updates=1)
    checkpoint = load_checkpoint(trained.folder)
    checkpoint.numbers.update(change)
    save_checkpoint(trained.folder, checkpoint, 2)
    with pytest.raises(RunError, match=message):
        trained.session()


def test_a_model_without_checkpoints_is_refused(trained: Trained) -> None:
    trained([LAST], max_updates=1)
    shutil.rmtree(trained.folder / "checkpoints")
    with pytest.raises(RunError, match="holds a model but no checkpoint to go on from"):
        trained.session()


@dataclass(frozen=True)
class Rank(World):
    """One of two ranks that have not connected: the other one agrees with all."""

    fingerprint: str = ""

    def interleave(self, items: Sequence[Any]) -> list[Any]:
        return [*items, self.fingerprint or items[0]]

    def from_rank0(self, work: Callable[[], Any]) -> Any:
        return work() if self.is_main else {}

    def rank0_first(self, work: Callable[[], Any]) -> Any:
        return work()

    def gather(self, numbers: Sequence[float]) -> list[list[float]]:
        return [list(numbers)] * 2

    def sum(self, tensor: Tensor) -> Tensor:
        return tensor

    def broadcast_in_place(self, tensors: Any) -> None:
        pass


def test_other_ranks_write_and_say_nothing(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    trained.world = Rank(rank=1, size=2)
    silent = trained(FLAT, log_every=1)
    assert silent.trainer.state.updates == 6
    silent.run()
    assert capsys.readouterr().err == ""
    assert not trained.folder.exists()
    assert trained.bars[0].options["disable"] is True
    assert trained.bars[0].postfixes == []


def test_the_first_rank_speaks_for_all(trained: Trained, capsys: pytest.CaptureFixture[str]) -> None:
    trained.world = Rank(size=2)
    trained(FLAT)
    assert " parameters, 2 processes, cpu in fp32" in capsys.readouterr().err
    assert load_checkpoint(trained.folder).numbers["processes"] == 2


def test_ranks_with_different_corpora_are_refused(trained: Trained) -> None:
    trained.world = Rank(size=2, fingerprint="other")
    with pytest.raises(RunError, match="the processes found reverse in different states"):
        trained.session()
