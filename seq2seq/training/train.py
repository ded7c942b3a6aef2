"""Training from a recipe to an evaluated run folder, resumed where an earlier call stopped."""

import sys
import time
from collections.abc import Mapping, Sequence
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
from seq2seq.evaluation.evaluate import EVALUATION, evaluate, is_evaluated, read_evaluation, summary
from seq2seq.model.compute import Compute, tune_process
from seq2seq.model.run_folder import CONFIG, MODEL, create_run, save_model
from seq2seq.recipe import load_recipe
from seq2seq.training.checkpoint import Checkpoint, has_checkpoints, load_checkpoint, save_checkpoint
from seq2seq.training.lock import locked
from seq2seq.training.loop import Trainer
from seq2seq.training.run_log import append_log, cut_log
from seq2seq.training.schedule import progress
from seq2seq.training.signals import Interrupted, StopSignals
from seq2seq.training.validation import Validation, validate
from seq2seq.training.writer import BackgroundWriter

# Settings that may change when training goes on: they only say when to stop, what to print and what to keep.
_EXTENDABLE = {"max_updates", "max_epochs", "max_minutes", "patience", "log_every", "keep_checkpoints"}


def train(recipe: str, *, run: str | Path | None = None, overrides: Sequence[str] = (), device: str = "auto") -> Path:
    """Trains a recipe into a run folder and evaluates it; goes on where an earlier call stopped.

    Args:
        recipe: name of a shipped recipe or path of a TOML file.
        run: the folder; ``runs/<recipe>`` if None.
        overrides: ``table.key=value`` each.
        device: ``auto``, ``cpu``, ``cuda``.

    Returns:
        The run folder.

    Raises:
        Seq2SeqError: settings, data or a run folder that cannot be used.
        Interrupted: SIGINT, SIGTERM or SIGUSR1 came; the same call goes on from there.
    """
    config = load_recipe(recipe, overrides)
    folder = Path(run) if run is not None else Path("runs") / Path(recipe).stem
    _refuse_other_recipe(folder, config)
    compute = Compute.pick(device, config.training.precision)
    tune_process(compute)
    prepared = prepare(config)
    _say(corpus_summary(prepared))
    with locked(folder):
        _Session(folder, config, prepared, compute).run()
        if prepared.test and not is_evaluated(folder):
            evaluate(folder, device=device)
    if (folder / EVALUATION).is_file():
        _say(summary(read_evaluation(folder)))
    return folder


class _Session:
    """One call of :func:`train`: a trainer, its run folder and what goes to screen and log."""

    def __init__(self, folder: Path, config: Config, prepared: Prepared, compute: Compute) -> None:
        self.folder, self.config, self.prepared, self.compute = folder, config, prepared, compute
        self.trainer = Trainer.of(config, prepared, compute)
        self.system = self._system()
        self.writer = BackgroundWriter()
        checkpoint = load_checkpoint(folder)
        if checkpoint and checkpoint.progress.pop("corpus") != prepared.report["fingerprint"]:
            raise RunError(
                f"{folder} was begun on another state of its corpus {config.data.path}: "
                "bring that state back, choose another folder with --run, or remove this one"
            )
        if not checkpoint and (folder / MODEL).is_file():
            raise RunError(
                f"{folder} holds a model but no checkpoint to go on from, and training anew would overwrite it: "
                "choose another folder with --run, or remove this one"
            )
        create_run(folder, config, prepared.vocabularies)
        if checkpoint:
            self.trainer.restore(checkpoint)
            cut_log(folder, self.trainer.progress.updates)
        else:
            # Before there is any model, so that from now on there is always something to go on from.
            self._write(self._checkpoint(), None)

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
            bar_format="{l_bar}{bar}| {elapsed}<{remaining}{postfix}",
            disable=None,
        )
        with StopSignals() as signals, bar, self.writer:
            for _ in trainer.steps():
                self.writer.check()
                bar.update(100 * progress(trainer.position(), settings) - bar.n)
                updates = trainer.progress.updates
                if updates % settings.log_every == 0:
                    self._log_training(bar)
                if updates % settings.validate_every == 0 or trainer.finished():
                    self._save(self._validate(bar))
                elif signals.received or (settings.checkpoint_every and updates % settings.checkpoint_every == 0):
                    self._save()
                if signals.received:
                    break
            self.writer.wait()
            if signals.received:
                raise Interrupted(signals.received)

    def _log_training(self, bar: "tqdm[Any]") -> None:
        numbers = self.trainer.read_window()
        self._log("training", numbers)
        bar.set_postfix_str(
            f"loss {numbers['loss']:.2f}, ppl {numbers['perplexity']:.1f}, {numbers['tokens_per_second']:.0f} tok/s"
        )

    def _validate(self, bar: "tqdm[Any]") -> Validation | None:
        """Looks at held-out sentences; returns what it found if the model is the best so far."""
        trainer, state = self.trainer, self.trainer.progress
        started = time.perf_counter()
        found = validate(self.system, self.prepared.validation)
        result = found.result(self.config.training.validation_metric)
        best = state.best is None or result > state.best
        if best:
            state.best, state.best_update, state.stale = result, state.updates, 0
        else:
            state.stale += 1
        state.seconds += time.perf_counter() - started
        self._log("validation", {**found.scores(), "best": best})
        position = trainer.position()
        bar.write(
            f"update {state.updates}, epoch {position.epochs:.1f}, {position.minutes:.1f} min: "
            f"perplexity {found.perplexity:.2f}, BLEU {found.bleu:.1f}, exact match {found.exact_match:.1%} (greedy)"
            f"{', the best so far' if best else ''}",
            file=sys.stderr,
        )
        for pair, output in found.samples:
            bar.write(f"  {shorten(pair.src, 200)}\n    → {shorten(output, 200)}", file=sys.stderr)
        return found if best else None

    def _save(self, best: Validation | None = None) -> None:
        """Writes a checkpoint, and the model if it is the best so far, while training goes on."""
        checkpoint = self._checkpoint()
        self.writer.start(lambda: self._write(checkpoint, best))

    def _checkpoint(self) -> Checkpoint:
        checkpoint = self.trainer.checkpoint().copied()
        checkpoint.progress["corpus"] = self.prepared.report["fingerprint"]
        return checkpoint

    def _write(self, checkpoint: Checkpoint, best: Validation | None) -> None:
        # The model first: what a checkpoint calls the best is then in the folder, whenever a crash comes.
        if best:
            # Scores of an older model must not stand beside a new one.
            (self.folder / EVALUATION).unlink(missing_ok=True)
            updates = checkpoint.progress["updates"]
            facts = {"updates": updates, "validation": best.scores(), "corpus": self.prepared.report}
            save_model(self.folder, checkpoint.weights(), facts)
        save_checkpoint(self.folder, checkpoint, self.config.training.keep_checkpoints)

    def _log(self, kind: str, numbers: Mapping[str, Any]) -> None:
        append_log(self.folder, {"type": kind, **asdict(self.trainer.position()), **numbers})


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
