"""Training: resuming equals not stopping, bad numbers change nothing, signals save."""

import json
import math
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from seq2seq.config import TrainingConfig
from seq2seq.corpus.batching import Batch, collate
from seq2seq.corpus.prepared import Prepared, prepare
from seq2seq.corpus.subword import EOS, PAD
from seq2seq.device import DeviceSpec
from seq2seq.errors import ConfigError, RunError, Seq2SeqError
from seq2seq.files import manifest
from seq2seq.files.lock import locked
from seq2seq.files.tensors import load_tensors
from seq2seq.model.encoders import RecurrentEncoder
from seq2seq.recipe import load_recipe
from seq2seq.runs.folder import load_run
from seq2seq.runs.history import Position
from seq2seq.training.batches import BatchSource
from seq2seq.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from seq2seq.training.log import Log, cut_log
from seq2seq.training.objective import cross_entropy
from seq2seq.training.signals import Interrupted, recording_signals, stopping_at_once
from seq2seq.training.train import train
from seq2seq.training.trainer import Trainer

CPU = DeviceSpec.pick("cpu", "fp32")


@pytest.fixture(scope="module")
def overrides(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    data = tmp_path_factory.mktemp("data")
    small = ["data.train=1500", "data.validation_size=10", "data.test_size=10", "training.batch_tokens=200"]
    sizes = ["model.hidden_size=16", "model.embedding_size=8", "model.dropout=0.2", "training.max_updates=24"]
    return [f"data.directory={data}", *small, *sizes, "training.validate_every=10", "training.log_every=4"]


@pytest.fixture(scope="module")
def undisturbed(overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A run that nothing disturbed, trained once for each configuration; only to be read."""

    @cache
    def trained(*noise: str) -> Path:
        run = tmp_path_factory.mktemp("undisturbed") / "run"
        return train("reverse-digits", run=run, overrides=[*overrides, *noise], device="cpu")

    return trained


@pytest.fixture
def run(undisturbed: Callable[..., Path], tmp_path: Path) -> Path:
    """A copy of the undisturbed run."""
    return Path(shutil.copytree(undisturbed(), tmp_path / "run"))


def digest(run: Path) -> dict[str, bytes]:
    """All that a run ends with: the best model, and weights and moments of the last update."""
    last = max((run / "checkpoints").iterdir()) / "tensors.safetensors"
    assert last.parent.name == "00000024"
    tensors = load_tensors(last) | load_tensors(run / "model.safetensors")
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


def told(run: Path) -> list[dict[str, Any]]:
    """All that a log says, but for what the clock says and how often training was started."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    clock = ("time", "minutes", "tokens_per_second")
    kept = [line for line in lines if line["type"] in ("training", "validation")]
    return [{key: value for key, value in line.items() if key not in clock} for line in kept]


def test_two_runs_are_bit_identical(run: Path, overrides: list[str], tmp_path: Path) -> None:
    assert digest(train("reverse-digits", run=tmp_path / "other", overrides=overrides, device="cpu")) == digest(run)


NOISE = [
    *("subword.type=bpe", "subword.vocab_size=60", "subword.sampling=0.3", "model.variational=true"),
    *("model.weight_dropout=0.2", "model.word_dropout=0.1"),
]


@pytest.mark.parametrize(("stop", "noise"), [(1, []), (7, []), (10, []), (19, []), (13, NOISE)])
def test_resuming_equals_not_stopping(
    stop: int,
    noise: list[str],
    undisturbed: Callable[..., Path],
    overrides: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    overrides = overrides + noise
    real, updates = Trainer._update, 0

    def update_and_stop(self: Trainer, batches: list) -> None:
        nonlocal updates
        real(self, batches)
        updates += 1
        if updates == stop:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Trainer, "_update", update_and_stop)
    with pytest.raises(Interrupted) as caught:
        train("reverse-digits", run=tmp_path / "stopped", overrides=overrides, device="cpu")
    assert caught.value.exit_code == 143
    monkeypatch.setattr(Trainer, "_update", real)
    stopped = train("reverse-digits", run=tmp_path / "stopped", overrides=overrides, device="cpu")
    assert digest(stopped) == digest(undisturbed(*noise))
    assert told(stopped) == told(undisturbed(*noise))
    assert [line["updates"] for line in told(stopped) if line["type"] == "training"] == [4, 8, 12, 16, 20, 24]


def test_an_extension_is_told_and_lets_no_learning_rate_jump(
    overrides: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "the limits have changed: the learning rate goes on from"
    settings = [*overrides, "training.log_every=1", "training.warmup_updates=0", "training.learning_rate=0.1"]
    for updates in (10, 10, 14, 18):
        limit = f"training.max_updates={updates}"
        train("reverse-digits", run=tmp_path / "run", overrides=[*settings, limit], device="cpu")
        assert (words in capsys.readouterr().err) == (updates > 10)
    rates = [line["learning_rate"] for line in told(tmp_path / "run") if line["type"] == "training"]
    assert rates[:11] == pytest.approx([0.1 - 0.01 * n for n in range(11)])
    assert max(rates[11:]) > 0.01
    assert max(abs(b - a) for a, b in pairwise(rates)) <= 0.01 + 1e-9


def test_a_finished_run_is_left_alone_and_can_be_extended(
    run: Path, overrides: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / "evaluation.json").read_bytes(), (run / "log.jsonl").read_bytes()
    train("reverse-digits", run=run, overrides=overrides, device="cpu")
    assert ((run / "evaluation.json").read_bytes(), (run / "log.jsonl").read_bytes()) == before
    assert "is trained already" in capsys.readouterr().err
    train("reverse-digits", run=run, overrides=[*overrides, "training.max_updates=30"], device="cpu")
    assert json.loads((run / "log.jsonl").read_text().splitlines()[-1])["updates"] == 30
    load_run(run)


def test_settings_may_change_without_a_better_model(run: Path, overrides: list[str]) -> None:
    train("reverse-digits", run=run, overrides=[*overrides, "decoding.beam=2"], device="cpu")
    assert load_run(run).config.decoding.beam == 2


def test_a_limit_in_epochs_survives_a_resume(overrides: list[str], tmp_path: Path) -> None:
    settings = [*overrides, "training.max_updates=0", "training.max_epochs=0.4", "training.checkpoint_every=1"]
    whole = train("reverse-digits", run=tmp_path / "run", overrides=settings, device="cpu")
    last = json.loads((whole / "log.jsonl").read_text().splitlines()[-1])
    settings[-2] = "training.max_epochs=0.8"
    train("reverse-digits", run=whole, overrides=settings, device="cpu")
    longer = json.loads((whole / "log.jsonl").read_text().splitlines()[-1])
    assert 0.4 <= last["epochs"] < 0.8 <= longer["epochs"] < 1


def test_a_checkpoint_of_another_version_is_refused(run: Path, overrides: list[str]) -> None:
    checkpoint = load_checkpoint(run)
    assert checkpoint
    del checkpoint.numbers["processes"]
    save_checkpoint(run, checkpoint, 2)
    with pytest.raises(RunError, match=r"begun with another version of seq2seq than .*: go on with that one"):
        train("reverse-digits", run=run, overrides=overrides, device="cpu")


def test_a_model_is_not_overwritten_when_its_checkpoints_are_gone(run: Path, overrides: list[str]) -> None:
    for path in (run / "checkpoints").glob("*/tensors.safetensors"):
        path.write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"no checkpoint in .* is whole"):
        train("reverse-digits", run=run, overrides=overrides, device="cpu")
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(RunError, match="holds a model but no checkpoint"):
        train("reverse-digits", run=run, overrides=overrides, device="cpu")


def test_other_settings_in_a_begun_run_are_refused(run: Path, overrides: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"model\.hidden_size \(16 there, 8 now\)"):
        train("reverse-digits", run=run, overrides=[*overrides, "model.hidden_size=8"], device="cpu")


def test_checkpoints_of_unknown_settings_are_refused(run: Path, overrides: list[str]) -> None:
    (run / "config.toml").unlink()
    with pytest.raises(RunError, match=r"holds checkpoints but no config\.toml"):
        train("reverse-digits", run=run, overrides=overrides, device="cpu")


def test_another_corpus_in_a_begun_run_is_refused(overrides: list[str], tmp_path: Path) -> None:
    path = tmp_path / "c.tsv"
    lines = [f"{number}\t{number}\n" for number in range(1000, 1400)]
    path.write_text("".join(lines), encoding="utf-8")
    settings = [*overrides, "data.format=tsv", f"data.path={path}", "data.train=c.tsv", "data.src=1", "data.tgt=2"]
    train("reverse-digits", run=tmp_path / "run", overrides=settings, device="cpu")
    path.write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(RunError, match="was begun on another state of its corpus"):
        train("reverse-digits", run=tmp_path / "run", overrides=settings, device="cpu")


def test_a_training_goes_on_with_a_corpus_that_moved(overrides: list[str], tmp_path: Path) -> None:
    path, moved = tmp_path / "c.tsv", tmp_path / "moved.tsv"
    path.write_text("".join(f"{number}\t{number}\n" for number in range(1000, 1400)), encoding="utf-8")
    settings = [*overrides, "data.format=tsv", "data.train=train", "data.src=1", "data.tgt=2"]
    train("reverse-digits", run=tmp_path / "run", overrides=[*settings, f"data.path={path}"], device="cpu")
    path.rename(moved)
    settings = [*settings, f"data.path={moved}", "training.max_updates=25"]
    run = train("reverse-digits", run=tmp_path / "run", overrides=settings, device="cpu")
    assert load_checkpoint(run).numbers["updates"] == 25


@pytest.fixture(scope="module")
def corpus(overrides: list[str]) -> Prepared:
    return prepare(load_recipe("reverse-digits", overrides))


@pytest.fixture
def trainer(corpus: Prepared, tiny_model: Callable) -> Callable[..., Trainer]:
    def make(**settings: object) -> Trainer:
        tied = settings.pop("tie_embeddings", "all")
        config = TrainingConfig(**({"max_updates": 100, "batch_tokens": 100, "schedule": "constant"} | settings))
        return Trainer(
            tiny_model(vocab=15, tie_embeddings=tied).float(), BatchSource(corpus, config, reverse=True), config, CPU
        )

    return make


def test_a_mean_over_sentences_has_a_larger_gradient(trainer: Callable[..., Trainer]) -> None:
    moved, tokens = {}, {}
    for mean in ("tokens", "sentences"):
        torch.manual_seed(1)
        training = trainer(loss_mean=mean, optimizer="sgd", learning_rate=0.01, clip_norm=0, batch_sentences=20)
        before = torch.cat([parameter.detach().flatten() for parameter in training.model.parameters()])
        next(training.steps())
        after = torch.cat([parameter.detach().flatten() for parameter in training.model.parameters()])
        moved[mean], tokens[mean] = after - before, int(training.window.tokens)
    assert tokens["tokens"] == tokens["sentences"] > 20
    torch.testing.assert_close(moved["sentences"], moved["tokens"] * tokens["tokens"] / 20, rtol=1e-3, atol=1e-6)


def test_the_rates_of_all_groups_follow_the_schedule(
    trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone: Callable[[RecurrentEncoder], list[nn.Parameter]] = lambda encoder: [encoder.embedding.weight]  # noqa: E731
    monkeypatch.setattr(RecurrentEncoder, "backbone_parameters", backbone)
    training = trainer(
        schedule="linear", max_updates=4, learning_rate=0.4, finetune_learning_rate=0.2, tie_embeddings="none"
    )
    rates = [[float(group["lr"]) for group in training.learner.optimizer.param_groups] for _ in training.steps()]
    assert rates == [pytest.approx([0.4 * left, 0.2 * left]) for left in (1, 0.75, 0.5, 0.25)]


@pytest.mark.parametrize(("start", "finetuned"), [(0, []), (1, [0, 1, 2]), (2, [1, 2]), (3, [2]), (4, [])])
def test_a_backbone_learns_from_its_epoch_on(
    start: int, finetuned: list[int], trainer: Callable[..., Trainer], monkeypatch: pytest.MonkeyPatch
) -> None:
    training = trainer(finetune_from=start, batch_tokens=8000)
    switched, epoch = [], training.batches.epoch
    monkeypatch.setattr(training.model.encoder, "set_finetuning", switched.append)

    def read(number: int, start: int, *, pixels: bool, **_: int) -> Iterator:
        seen.append((number, pixels))
        return epoch(number, start)

    seen: list[tuple[int, bool]] = []
    monkeypatch.setattr(training.batches, "epoch", read)
    steps = training.steps()
    while training.state.epoch < 3:
        next(steps)
    assert seen[:3] == [(number, number in finetuned) for number in range(3)]
    assert switched == [pixels for _, pixels in seen]


def test_a_window_goes_on_from_a_checkpoint_to_the_last_bit(trainer: Callable[..., Trainer]) -> None:
    one, two = trainer(), trainer()
    poison = one.model.decoder.output.bias.register_hook(lambda gradient: gradient * float("nan"))
    steps = one.steps()
    next(steps)
    poison.remove()
    next(steps)
    two.restore(one.checkpoint().copied())
    others = two.steps()
    for _ in range(3):
        next(steps), next(others)
    found, expected = two.read_window(), one.read_window()
    assert found.pop("tokens_per_second") == pytest.approx(expected.pop("tokens_per_second"), rel=0.5)
    assert found == expected
    assert found["skipped"] == 1


def test_a_window_of_skipped_updates_alone_has_no_loss(trainer: Callable[..., Trainer]) -> None:
    training = trainer()
    training.model.decoder.output.bias.register_hook(lambda gradient: gradient * float("nan"))
    steps = training.steps()
    next(steps)
    numbers = training.read_window()
    assert numbers.keys() == {"skipped", "tokens", "tokens_per_second", "learning_rate"}
    assert (numbers["skipped"], numbers["tokens"]) == (1, 0)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_changes_no_weight(
    trainer: Callable[..., Trainer], optimizer: str, bad: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = trainer(optimizer=optimizer)
    steps = training.steps()
    next(steps)
    before = [parameter.clone() for parameter in training.model.parameters()]
    poison = training.model.decoder.output.bias.register_hook(lambda gradient: gradient * bad)
    next(steps)
    assert all(map(torch.equal, before, training.model.parameters()))
    poison.remove()
    next(steps)
    assert not all(map(torch.equal, before, training.model.parameters()))
    numbers = training.read_window()
    assert training.state.skipped == numbers["skipped"] == 1
    assert all(map(math.isfinite, numbers.values()))


@pytest.mark.parametrize(
    ("clip_norm", "advice"),
    [
        (2.0, "lower training.learning_rate or training.clip_norm"),
        (0.0, "lower training.learning_rate or limit gradients, as training.clip_norm=1 does"),
        (math.inf, "lower training.learning_rate or limit gradients, as training.clip_norm=1 does"),
    ],
)
def test_gradients_that_stay_bad_stop_training(clip_norm: float, advice: str, trainer: Callable[..., Trainer]) -> None:
    training = trainer(clip_norm=clip_norm)
    training.model.decoder.output.bias.register_hook(lambda gradient: gradient * float("nan"))
    steps = training.steps()
    for _ in range(19):
        next(steps)
    with pytest.raises(Seq2SeqError, match=f"diverged: no finite gradient in 20 updates in a row .*; {advice}$"):
        next(steps)


@pytest.mark.parametrize("mean", ["tokens", "sentences"])
def test_rows_that_only_fill_a_batch_up_count_for_nothing(mean: str, trainer: Callable[..., Trainer]) -> None:
    weights, sums = [], []
    for filled in (False, True):
        torch.manual_seed(1)
        training = trainer(loss_mean=mean, optimizer="sgd")
        batch = collate([[5, 6], [7]], [[7, 8], [9]], reverse=True)
        if filled:
            src = torch.full((2, 3), PAD).index_fill_(1, torch.tensor([0]), EOS)
            nothing = torch.full((2, 3), PAD)
            batch = Batch(
                torch.cat([batch.src, src]),
                torch.cat([batch.src_lengths, torch.ones(2, dtype=torch.int64)]),
                torch.cat([batch.tgt_in, nothing]),
                torch.cat([batch.tgt_out, nothing]),
            )
        training._update([batch])
        weights.append(torch.cat([parameter.detach().flatten() for parameter in training.model.parameters()]))
        sums.append(training.window.numbers())
    torch.testing.assert_close(*weights, rtol=1e-6, atol=1e-7)
    assert sums[0]["tokens"] == sums[1]["tokens"] == 5


def test_accumulating_two_batches_is_one_step_on_both(trainer: Callable[..., Trainer]) -> None:
    one, two = trainer(accumulate=2, optimizer="sgd", clip_norm=0.0), trainer(optimizer="sgd", clip_norm=0.0)
    two.model.load_state_dict(one.model.state_dict())
    batches = two._stream()
    pair = [next(batches), next(batches)]
    losses = [
        cross_entropy(two.model(batch), two.model.decoder.output, batch.tgt_out, smoothing=0.1).smoothed
        for batch in pair
    ]
    tokens = sum(int((batch.tgt_out != 0).sum()) for batch in pair)
    (sum(losses) / tokens).backward()
    next(one.steps())
    for before, after in zip(two.model.parameters(), one.model.parameters(), strict=True):
        torch.testing.assert_close(after, before - one.config.learning_rate * before.grad)


def test_sgd_is_clipped_at_the_norm(trainer: Callable[..., Trainer]) -> None:
    training = trainer(optimizer="sgd", clip_norm=1e-3, learning_rate=1.0)
    before = [parameter.detach().clone() for parameter in training.model.parameters()]
    next(training.steps())
    moved = torch.stack(
        [(a.detach() - b).norm() for a, b in zip(training.model.parameters(), before, strict=True)]
    ).norm()
    assert float(moved) == pytest.approx(1e-3, rel=1e-2)


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    trainer: Callable[..., Trainer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training = trainer()
    steps = training.steps()
    for _ in range(3):
        next(steps)
        save_checkpoint(tmp_path, training.checkpoint(), keep=2)
    folders = sorted((tmp_path / "checkpoints").iterdir())
    assert [folder.name for folder in folders] == ["00000002", "00000003"]
    content = bytearray((folders[1] / "tensors.safetensors").read_bytes())
    content[len(content) // 2] ^= 1
    (folders[1] / "tensors.safetensors").write_bytes(content)
    checkpoint = load_checkpoint(tmp_path)
    assert checkpoint is not None
    assert checkpoint.numbers["updates"] == 2
    assert "00000003/tensors.safetensors is damaged" in capsys.readouterr().err


def test_as_many_checkpoints_stay_as_are_asked_for(trainer: Callable[..., Trainer], tmp_path: Path) -> None:
    training = trainer()
    (tmp_path / "checkpoints" / "00000001.part").mkdir(parents=True)  # a crash left it
    for _ in zip(range(4), training.steps(), strict=False):
        save_checkpoint(tmp_path, training.checkpoint(), keep=3)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert names == ["00000002", "00000003", "00000004"]


def test_what_cannot_be_saved_stops_training(
    overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(run: Path, checkpoint: Checkpoint, keep: int) -> None:
        save_checkpoint(run, checkpoint, keep)
        if checkpoint.numbers["updates"]:
            raise RunError("no room")

    monkeypatch.setattr("seq2seq.training.session.save_checkpoint", refuse)
    with pytest.raises(RunError, match="no room"):
        train("reverse-digits", run=tmp_path / "run", overrides=overrides, device="cpu")
    assert load_checkpoint(tmp_path / "run").numbers["updates"] in (10, 20)


def test_a_copied_checkpoint_stays_as_it_is_while_training_goes_on(trainer: Callable[..., Trainer]) -> None:
    training = trainer()
    steps = training.steps()
    next(steps)
    live, copied = training.checkpoint(), training.checkpoint().copied()
    before = {name: tensor.clone() for name, tensor in copied.tensors.items()}
    next(steps)
    assert all(torch.equal(tensor, before[name]) for name, tensor in copied.tensors.items())
    assert not all(torch.equal(tensor, before[name]) for name, tensor in live.tensors.items())


def test_the_log_is_cut_back_to_the_checkpoint(tmp_path: Path) -> None:
    log = Log(tmp_path, tensorboard=False)
    for updates in (2, 4, 6):
        log.add("training", Position(updates=updates), {})
    whole = (tmp_path / "log.jsonl").read_bytes()
    cut_log(tmp_path, 6)
    assert (tmp_path / "log.jsonl").read_bytes() == whole
    (tmp_path / "log.jsonl").write_bytes(whole + b'{"type": "training", "upd')
    cut_log(tmp_path, 4)
    assert (tmp_path / "log.jsonl").read_bytes().splitlines() == whole.splitlines()[:2]


def test_what_was_damaged_beside_the_model_is_made_anew(run: Path, overrides: list[str]) -> None:
    whole = {name: (run / name).read_bytes() for name in ("subword.joint.model", "evaluation.json")}
    for name in whole:
        (run / name).write_bytes(b"\x00" + whole[name][1:])
    train("reverse-digits", run=run, overrides=overrides, device="cpu")
    assert load_run(run).vocabularies.src.model == whole["subword.joint.model"]
    assert (
        json.loads((run / "evaluation.json").read_bytes())["weights"] == json.loads(whole["evaluation.json"])["weights"]
    )


def test_pages_that_a_kill_prevented_are_made_by_the_next_call(run: Path, overrides: list[str]) -> None:
    (run / "README.md").unlink()
    train("reverse-digits", run=run, overrides=overrides, device="cpu")
    assert "BLEU" in (run / "README.md").read_text()


def test_scores_of_an_older_model_are_not_taken_for_those_of_the_newest(run: Path, overrides: list[str]) -> None:
    found = json.loads((run / "evaluation.json").read_bytes())
    other = found | {"weights": "0" * 64, "beam": 99}
    (run / "evaluation.json").write_text(json.dumps(other | {"digest": manifest.digest(other)}), encoding="utf-8")
    train("reverse-digits", run=run, overrides=overrides, device="cpu")
    assert json.loads((run / "evaluation.json").read_bytes())["beam"] == found["beam"]


def test_a_folder_is_held_before_the_corpus_is_made(
    overrides: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seq2seq.training.train.prepare_for", lambda *_: pytest.fail("prepared"))
    with locked(tmp_path / "run"), pytest.raises(RunError, match="is being trained already"):
        train("reverse-digits", run=tmp_path / "run", overrides=overrides, device="cpu")
    with pytest.raises(ConfigError):
        train("reverse-digits", run=tmp_path / "other", overrides=["model.layers=0"], device="cpu")
    assert not (tmp_path / "other").exists()


def test_a_second_request_to_end_is_still_only_noted() -> None:
    with recording_signals() as received:
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGTERM):
            os.kill(os.getpid(), number)
        os.kill(os.getpid(), signal.SIGINT)  # the first Ctrl-C
        assert received() == signal.SIGTERM


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGUSR1, 0)])
def test_where_nothing_is_to_save_a_signal_ends_at_once(number: int, status: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught, stopping_at_once():
        os.kill(os.getpid(), number)
    assert caught.value.exit_code == status
    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_is_not_held_back() -> None:
    # A shell lets what it runs in the background ignore SIGINT, and the tests may be run there.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with recording_signals() as received:
            os.kill(os.getpid(), signal.SIGINT)
            assert received() == signal.SIGINT
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp16", "bf16", "fp32"])
def test_a_gpu_learns_in_every_precision(precision: str, corpus: Prepared, tiny_model: Callable) -> None:
    config = TrainingConfig(max_updates=200, batch_tokens=500, learning_rate=0.005, warmup_updates=10)
    device_spec = DeviceSpec.pick("cuda", precision)
    batches = BatchSource(corpus, config, reverse=True)
    training = Trainer(tiny_model(vocab=15, hidden_size=64).float(), batches, config, device_spec)
    losses = []
    for update, _ in enumerate(training.steps(), start=1):
        if update % 50 == 0:
            losses.append(training.read_window()["loss"])
    assert losses[-1] < 0.9 * losses[0]
    assert training.state.skipped < 20
