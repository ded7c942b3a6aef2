"""Fine-tuning: what a training takes from another run, what it does not, and what it leaves as it is."""

import itertools
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from seq2seq.cli import main
from seq2seq.corpus.batching import Batch
from seq2seq.errors import ConfigError, CorpusError, RunError
from seq2seq.evaluation.evaluate import evaluate
from seq2seq.runs.folder import load_run, unique_tensors
from seq2seq.runs.layout import read_config
from seq2seq.training import fine_tuning
from seq2seq.training.checkpoint import checkpoint_folders, load_checkpoint
from seq2seq.training.fine_tuning import inherited
from seq2seq.training.signals import Interrupted
from seq2seq.training.train import train
from seq2seq.training.trainer import Trainer

RECIPE = """
[data]
format = "digits"
path = "copy"
train = "200"
validation_size = 10
test_size = 10
drop_identical = false
directory = "{directory}"

[training]
max_updates = 6
validate_every = 6
precision = "fp32"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    path = tmp_path / "copy.toml"
    path.write_text(RECIPE.format(directory=tmp_path / "data"), encoding="utf-8")
    return str(path)


@pytest.fixture
def start(digits_run: Path, tmp_path: Path) -> Path:
    """A copy of a trained run, without its checkpoints."""
    return shutil.copytree(digits_run, tmp_path / "start", ignore=shutil.ignore_patterns("checkpoints"))


def tuned(recipe: str, start: Path | None, run: Path, *overrides: str) -> Path:
    return train(recipe, run=run, start=start, overrides=overrides, device="cpu")


def weights(run: Path) -> dict[str, Tensor]:
    return unique_tensors(load_run(run).model)


def changed(before: Path, after: Path) -> set[str]:
    """Names of the tensors that differ in any bit."""
    old, new = weights(before), weights(after)
    assert old.keys() == new.keys()
    return {name for name in old if not torch.equal(old[name], new[name])}


def test_a_training_that_learns_nothing_is_the_run_it_started_from(
    recipe: str, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tuned(recipe, start, tmp_path / "run", "training.learning_rate=0")
    assert changed(start, run) == set()
    assert load_run(run).vocabularies.files() == load_run(start).vocabularies.files()
    count = len(weights(start))
    assert f"weights of {start}: {count} of {count} tensors taken\n" in capsys.readouterr().err


def test_optimiser_and_schedule_are_fresh(recipe: str, start: Path, tmp_path: Path) -> None:
    run = tuned(recipe, start, tmp_path / "run")
    assert changed(start, run)
    checkpoint = load_checkpoint(run)
    assert checkpoint is not None
    assert checkpoint.numbers["updates"] == 6
    steps = [tensor for name, tensor in checkpoint.tensors.items() if name.startswith("optimizer.step.")]
    assert steps
    assert all(step == 6 for step in steps)


def test_settings_are_the_runs_where_the_recipe_leaves_them_out(recipe: str, start: Path, tmp_path: Path) -> None:
    old = read_config(start)
    new = read_config(tuned(recipe, start, tmp_path / "run", "training.clip_norm=0.5"))
    assert (new.model, new.subword, new.decoding) == (old.model, old.subword, old.decoding)
    assert new.training.batch_tokens == old.training.batch_tokens
    assert new.training.learning_rate == pytest.approx(old.training.learning_rate / 3)
    assert (new.training.max_updates, new.training.clip_norm) == (6, 0.5)
    assert (new.data.path, new.training.start_from) == ("copy", str(start))


def test_how_long_to_train_and_on_what_is_never_the_runs(start: Path) -> None:
    tables = inherited(start)
    assert "data" not in tables
    assert not {"max_updates", "max_epochs", "max_minutes", "patience", "frozen"} & tables["training"].keys()


def test_what_does_not_fit_is_fresh_and_named(
    recipe: str, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A third layer on each side is new; the two below it are the run's."""
    run = tuned(recipe, start, tmp_path / "run", "model.layers=3", "training.learning_rate=0")
    message = next(line for line in capsys.readouterr().err.splitlines() if line.startswith("weights of"))
    old, new = weights(start), weights(run)
    assert new.keys() > old.keys()
    assert all(torch.equal(new[name], old[name]) for name in old)
    assert f"{len(old)} of {len(new)} tensors taken; fresh: encoder.stack.layers.2." in message
    assert f"and {len(new) - len(old) - 4} more" in message


def test_weights_that_are_left_over_are_named(
    recipe: str, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tuned(recipe, start, tmp_path / "run", "model.layers=1")
    assert "; not used: encoder.stack.layers.1." in capsys.readouterr().err


@pytest.mark.parametrize("frozen", [["encoder"], ["decoder.upper", "decoder.output.bias"], ["decoder.embedding"]])
def test_frozen_parts_keep_every_bit_and_the_others_learn(
    recipe: str, start: Path, tmp_path: Path, frozen: Sequence[str]
) -> None:
    run = tuned(recipe, start, tmp_path / "run", f"training.frozen={list(frozen)}".replace("'", '"'))
    # One table is shared by both embeddings and the output layer; its first name is the encoder's.
    parts = (*frozen, "encoder.embedding") if frozen == ["decoder.embedding"] else frozen
    kept = {name for name in weights(start) if f"{name}.".startswith(tuple(f"{part}." for part in parts))}
    assert kept
    assert changed(start, run) == weights(start).keys() - kept


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (['training.frozen=["decoder.uper"]'], r"decoder.uper.*choose among encoder.embedding, encoder.stack, decoder"),
        (['training.frozen=["encoder", "decoder"]'], "leaves nothing to learn"),
        (["subword.vocab_size=30"], r"vocabulary is that of .*start, found another subword.vocab_size \(32 there, 30"),
    ],
)
def test_what_cannot_be_is_refused_before_a_model_is_written(
    recipe: str, start: Path, tmp_path: Path, overrides: list[str], expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected):
        tuned(recipe, start, tmp_path / "run", *overrides)
    assert not (tmp_path / "run" / "config.toml").exists()


def test_a_damaged_or_missing_start_is_refused(recipe: str, start: Path, tmp_path: Path) -> None:
    (start / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(RunError, match="is damaged"):
        tuned(recipe, start, tmp_path / "run")
    with pytest.raises(RunError, match="nowhere is not a folder"):
        tuned(recipe, tmp_path / "nowhere", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_stopping_and_going_on_gives_the_bits_of_not_stopping(
    recipe: str, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix = ["training.old_share=0.5"]
    undisturbed = tuned(recipe, start, tmp_path / "undisturbed", *mix)
    updates, real = itertools.count(), Trainer._update

    def update(self: Trainer, batches: list[Batch]) -> None:
        real(self, batches)
        if next(updates) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Trainer, "_update", update)
    with pytest.raises(Interrupted):
        tuned(recipe, start, tmp_path / "run", *mix)
    assert checkpoint_folders(tmp_path / "run")[0].name == "00000003"
    assert changed(undisturbed, tuned(recipe, start, tmp_path / "run", *mix)) == set()


def test_the_old_run_is_no_longer_needed_once_training_has_begun(recipe: str, start: Path, tmp_path: Path) -> None:
    """The run's own config.toml is the recipe to go on with, and its vocabulary lies beside it."""
    run = tuned(recipe, start, tmp_path / "run")
    scores = evaluate(run, device="cpu").scores
    shutil.rmtree(start)
    assert evaluate(run, device="cpu").scores["exact_match"] == scores["exact_match"]
    more = train(str(run / "config.toml"), run=run, overrides=["training.max_updates=8"], device="cpu")
    checkpoint = load_checkpoint(more)
    assert checkpoint is not None
    assert checkpoint.numbers["updates"] == 8


def test_a_run_goes_on_as_it_was_begun(recipe: str, start: Path, tmp_path: Path) -> None:
    run = tuned(recipe, start, tmp_path / "run")
    with pytest.raises(ConfigError, match=f"begun with --from {start}: do so again"):
        tuned(recipe, None, run)
    fresh = tuned(
        recipe, None, tmp_path / "fresh", "model.hidden_size=8", "subword.type=char", "subword.vocab_size=300"
    )
    with pytest.raises(ConfigError, match="begun without --from"):
        tuned(recipe, start, fresh)


def test_old_pairs_need_a_run_and_its_corpus_as_it_was(
    recipe: str, start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"training\.old_share = 0\.5 needs a run"):
        tuned(recipe, None, tmp_path / "run", "training.old_share=0.5")
    monkeypatch.setattr(fine_tuning, "check_manifest", lambda _: None)
    text = (start / "config.toml").read_text(encoding="utf-8")
    (start / "config.toml").write_text(text.replace("vocab_size = 32", "vocab_size = 14"), encoding="utf-8")
    with pytest.raises(RunError, match="another vocabulary than its corpus gives now"):
        tuned(recipe, start, tmp_path / "run", "training.old_share=0.5")
    text = text.replace('format = "digits"', 'format = "csv"').replace('path = "reverse"', 'path = "elsewhere.csv"')
    (start / "config.toml").write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match=rf"old_share needs the corpus that {start} was trained on, elsewhere\.csv: "):
        tuned(recipe, start, tmp_path / "run", "training.old_share=0.5")


def test_the_command_takes_from(recipe: str, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["train", recipe, "--from", str(start), "--run", str(run), "--device", "cpu"]) == 0
    assert capsys.readouterr().out == f"{run}\n"
    assert read_config(run).training.start_from == str(start)
