"""Training from a recipe to an evaluated run folder, resumed where an earlier call stopped."""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import shorten
from typing import Any

from tqdm import tqdm

from seq2seq.config import Config
from seq2seq.corpus.prepared import Prepared, corpus_summary, prepare
from seq2seq.decoding.captioner import Captioner
from seq2seq.decoding.system import Member, System
from seq2seq.decoding.translator import Translator
from seq2seq.errors import ConfigError, RunError
from seq2seq.evaluation.evaluate import EVALUATION, evaluate, read_evaluation, summary
from seq2seq.model.compute import Compute, tune_process
from seq2seq.model.run_folder import CONFIG, MODEL, create_run, renew_config, save_model, untied_weights
from seq2seq.recipe import load_recipe
from seq2seq.training.checkpoint import has_checkpoints, load_checkpoint, save_checkpoint
from seq2seq.training.log import Log, summary_writer
from seq2seq.training.loop import Trainer
from seq2seq.training.schedule import Position, in_words, minutes_left, progress
from seq2seq.training.signals import Interrupted, StopSignals
from seq2seq.training.validation import Validation, validate

# Settings that may change when training goes on: they only say when to stop and what to print.
_EXTENDABLE = {"max_updates", "max_epochs", "max_minutes", "patience", "log_every"}


def train(
    recipe: str,
    *,
    run: str | Path | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
    tensorboard: bool = False,
) -> Path:
    """Trains a recipe into a run folder and evaluates it; goes on where an earlier call stopped.

    Args:
        recipe: name of a shipped recipe or path of a TOML file.
        run: the folder; ``runs/<recipe>`` if None.
        overrides: ``table.key=value`` each.
        device: ``auto``, ``cpu``, ``cuda``.
        tensorboard: write curves for TensorBoard too.

    Returns:
        The run folder.

    Raises:
        Seq2SeqError: settings, data or a run folder that cannot be used.
        Interrupted: SIGINT or SIGTERM came; the same call goes on from there.
    """
    config = load_recipe(recipe, overrides)
    folder = Path(run) if run is not None else Path("runs") / Path(recipe).stem
    _refuse_other_recipe(folder, config)
    if tensorboard:
        summary_writer()  # rather now than after an hour of preparation
    compute = Compute.pick(device, config.training.precision)
    tune_process(compute)
    prepared = prepare(config)
    _say(corpus_summary(prepared))
    session = _Session(folder, config, prepared, compute, Log(folder, tensorboard=tensorboard))
    session.run()
    if prepared.test and not (folder / EVALUATION).is_file():
        evaluate(folder, device=device)
    if (folder / EVALUATION).is_file():
        _say(summary(read_evaluation(folder)))
    return folder


class _Session:
    """One call of :func:`train`: a trainer, its run folder and what goes to screen and log."""

    def __init__(self, folder: Path, config: Config, prepared: Prepared, compute: Compute, log: Log) -> None:
        self.log = log
        self.folder, self.config, self.prepared, self.compute = folder, config, prepared, compute
        self.trainer = Trainer.of(config, prepared, compute)
        self.system = self._system()
        checkpoint = load_checkpoint(folder)
        if checkpoint and checkpoint.progress.pop("corpus") != prepared.report["fingerprint"]:
            raise RunError(
                f"{folder} was begun on another state of its corpus {config.data.path}: "
                "bring that state back, choose another folder with --run, or remove this one"
            )
        if checkpoint:
            self.trainer.restore(checkpoint)
            renew_config(folder, config)
        elif (folder / MODEL).is_file():
            raise RunError(
                f"{folder} holds a model but no checkpoint to go on from, and training anew would overwrite it: "
                "choose another folder with --run, or remove this one"
            )
        else:
            create_run(folder, config, prepared.vocabularies)

    def _system(self) -> System:
        members = [Member(self.trainer.model, self.prepared.vocabularies, self.config)]
        pictures = self.trainer.pictures
        if pictures is None:
            return Translator(members, self.compute)
        return Captioner(members, self.compute, lambda names: pictures.look(names, pixels=self.trainer.finetunes()))

    def run(self) -> None:
        """Trains to the end of the recipe, or to a signal."""
        trainer, settings = self.trainer, self.config.training
        if trainer.finished():
            _say(f"{self.folder} is trained already ({trainer.progress.updates} updates)")
            return
        size = sum(parameter.numel() for parameter in trainer.model.parameters())
        verb = f"going on from update {trainer.progress.updates}" if trainer.progress.updates else "training"
        padding = trainer.order.padding_share(trainer.progress.epoch)
        _say(
            f"{verb}: {size / 1e6:.1f} M parameters, {self.compute.device} in {self.compute.precision}, "
            f"padding {padding:.1%}; Ctrl-C saves and stops"
        )
        bar = tqdm(
            total=100,
            initial=100 * progress(trainer.position(), settings),
            bar_format="{l_bar}{bar}| {elapsed}{postfix}",
            disable=None,
        )
        self.log.add(
            "start", trainer.position(), {"device": str(self.compute.device), "precision": self.compute.precision}
        )
        began = trainer.position()
        with StopSignals() as signals, bar, self.log:
            for _ in trainer.steps():
                bar.update(100 * progress(trainer.position(), settings) - bar.n)
                updates = trainer.progress.updates
                if updates % settings.log_every == 0:
                    self._log_training(bar, began)
                if updates % settings.validate_every == 0 or trainer.finished():
                    self._validate(bar)
                    self._save()
                elif signals.received or (settings.checkpoint_every and updates % settings.checkpoint_every == 0):
                    self._save()
                if signals.received:
                    raise Interrupted(signals.received)

    def _log_training(self, bar: "tqdm[Any]", began: Position) -> None:
        numbers, position = self.trainer.read_window(), self.trainer.position()
        self.log.add("training", position, numbers)
        # Not tqdm's own guess: it knows neither of the limits nor that validations come again.
        left = minutes_left(began, position, self.config.training)
        bar.set_postfix_str(
            ("" if left is None else f"{in_words(left)} left, ")
            + f"loss {numbers['loss']:.2f}, ppl {numbers['perplexity']:.1f}, {numbers['tokens_per_second']:.0f} tok/s"
        )

    def _validate(self, bar: "tqdm[Any]") -> None:
        """Looks at held-out sentences and keeps the model if it is the best so far."""
        trainer, state = self.trainer, self.trainer.progress
        started = time.perf_counter()
        found = validate(self.system, self.prepared.validation)
        result = found.result(self.config.training.validation_metric)
        best = state.best is None or result > state.best
        if best:
            state.best, state.best_update, state.stale = result, state.updates, 0
            self._keep_model(found)
        else:
            state.stale += 1
        state.seconds += time.perf_counter() - started
        position = trainer.position()
        self.log.add("validation", position, {**found.scores(), "best": best})
        bar.write(
            f"update {state.updates}, epoch {position.epochs:.1f}, {position.minutes:.1f} min: "
            f"perplexity {found.perplexity:.2f}, BLEU {found.bleu:.1f}, exact match {found.exact_match:.1%} (greedy)"
            f"{', the best so far' if best else ''}",
            file=sys.stderr,
        )
        for pair, output in found.samples:
            bar.write(f"  {shorten(pair.src, 200)}\n    → {shorten(output, 200)}", file=sys.stderr)

    def _keep_model(self, found: Validation) -> None:
        # Scores of an older model must not stand beside a new one.
        (self.folder / EVALUATION).unlink(missing_ok=True)
        facts = {
            "updates": self.trainer.progress.updates,
            "validation": found.scores(),
            "corpus": self.prepared.report,
        }
        save_model(self.folder, untied_weights(self.trainer.model), facts)

    def _save(self) -> None:
        checkpoint = self.trainer.checkpoint()
        checkpoint.progress["corpus"] = self.prepared.report["fingerprint"]
        save_checkpoint(self.folder, checkpoint)


def _refuse_other_recipe(folder: Path, config: Config) -> None:
    """A run goes on under the settings it was begun with, save for those that say when it ends."""
    if not (folder / CONFIG).is_file():
        if has_checkpoints(folder):
            raise RunError(
                f"{folder} holds checkpoints but no {CONFIG} that says what of: "
                "bring it back, choose another folder with --run, or remove this one"
            )
        return
    old, new = asdict(load_recipe(str(folder / CONFIG))), asdict(config)
    differing = [
        f"{table}.{key} ({old[table][key]} there, {new[table][key]} now)"
        for table in ("data", "subword", "model", "training")
        for key in new[table]
        if old[table][key] != new[table][key] and key not in _EXTENDABLE and key != "directory"
    ]
    if differing:
        raise ConfigError(
            f"{folder} was begun with other settings: {', '.join(differing)}; "
            "choose another folder with --run, or remove this one"
        )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
