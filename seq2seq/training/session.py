"""One training while it runs: a trainer, its run folder, and what goes to screen and log."""

import sys
import time
from dataclasses import fields
from pathlib import Path
from textwrap import shorten
from typing import Any

from torch import Tensor
from tqdm import tqdm

from seq2seq.config import Config
from seq2seq.corpus.prepared import Prepared, corpus_summary
from seq2seq.decoding.captioner import Captioner
from seq2seq.decoding.predictor import Predictor
from seq2seq.decoding.readers import Member
from seq2seq.decoding.translator import Translator
from seq2seq.device import DeviceSpec
from seq2seq.errors import RunError, warn
from seq2seq.runs.folder import create_run, save_model
from seq2seq.runs.layout import EVALUATION, MODEL
from seq2seq.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, tidy_checkpoints
from seq2seq.training.distributed import World
from seq2seq.training.log import Log, cut_log
from seq2seq.training.schedule import Position, in_words, minutes_left, progress
from seq2seq.training.signals import Interrupted, StopSignals
from seq2seq.training.state import TrainerState
from seq2seq.training.trainer import Trainer
from seq2seq.training.validation import Validation, validate
from seq2seq.training.writer import BackgroundWriter
from seq2seq.version import __version__

# What a checkpoint knows besides tensors.
_NUMBERS = {entry.name for entry in fields(TrainerState)} | {"scaler", "corpus", "processes"}


class Session:
    """From where the run folder stands to the end of the recipe.

    Every process has one; only the first writes files and speaks.

    Args:
        folder: of the run.
        config: its recipe.
        prepared: its corpus.
        device_spec: where to train.
        world: the processes that train together.
        log: of the run.

    Raises:
        RunError: the folder cannot be gone on with.
    """

    def __init__(
        self, folder: Path, config: Config, prepared: Prepared, device_spec: DeviceSpec, world: World, log: Log
    ) -> None:
        self.folder, self.config, self.prepared = folder, config, prepared
        self.device_spec, self.world, self.log = device_spec, world, log
        if len(set(world.interleave([prepared.report["fingerprint"]]))) > 1:
            raise RunError(
                f"the processes found {config.data.path} in different states: give all of them the same data"
            )
        self._say(corpus_summary(prepared))
        self.trainer = Trainer.of(config, prepared, device_spec, world)
        self.predictor = self._predictor()
        self.writer = BackgroundWriter()
        begun: dict[str, Tensor] = {}
        numbers = world.from_rank0(lambda: self._begin(begun))
        if numbers:
            self.trainer.restore(Checkpoint(world.broadcast(begun), numbers))

    def _predictor(self) -> Predictor:
        members = [Member(self.trainer.model, self.prepared.vocabularies, self.config)]
        pictures = self.trainer.pictures
        if pictures is None:
            return Translator(members, self.device_spec)
        return Captioner(members, self.device_spec, lambda names: pictures.look(names, pixels=self.trainer.finetunes()))

    def _begin(self, tensors: dict[str, Tensor]) -> dict[str, Any]:
        """Begins the run folder, or finds the checkpoint from which it goes on.

        Args:
            tensors: is filled with the checkpoint's.

        Returns:
            Its numbers; none if there is nothing to go on from.
        """
        folder, config, prepared = self.folder, self.config, self.prepared
        checkpoint = load_checkpoint(folder)
        if checkpoint and checkpoint.numbers.keys() != _NUMBERS:
            raise RunError(
                f"{folder} was begun with another version of seq2seq than {__version__}: "
                "go on with that one, choose another folder with --run, or remove this one"
            )
        if checkpoint and checkpoint.numbers.pop("corpus") != prepared.report["fingerprint"]:
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
        if not checkpoint:
            # Before there is any model, so that from now on there is always something to go on from.
            self._write(self._checkpoint(), None)
            return {}
        cut_log(folder, checkpoint.numbers["updates"])
        tidy_checkpoints(folder, checkpoint.numbers["updates"], config.training.keep_checkpoints)
        before, now = checkpoint.numbers.pop("processes"), self.world.size
        if before != now:
            warn(
                f"{folder} was begun with {before} processes and goes on with {now}: "
                f"an update is now made of {now * config.training.accumulate} batches"
            )
        tensors.update(checkpoint.tensors)
        return checkpoint.numbers

    def run(self) -> None:
        """Trains to the end of the recipe, or to a signal.

        Raises:
            Interrupted: a signal came, and everything is saved.
        """
        trainer, settings = self.trainer, self.config.training
        if trainer.finished():
            self._say(f"{self.folder} is trained already ({trainer.state.updates} updates)")
            return
        bar = tqdm(
            total=100,
            initial=100 * progress(trainer.position(), settings),
            bar_format="{l_bar}{bar}| {elapsed}{postfix}",
            disable=None if self.world.is_main else True,
        )
        with StopSignals() as signals, bar, self.log, self.writer:
            began = trainer.position()
            self._announce(bar)
            for _ in trainer.steps(lambda: signals.received):
                self.writer.check()
                bar.update(100 * progress(trainer.position(), settings) - bar.n)
                updates = trainer.state.updates
                if updates % settings.log_every == 0:
                    self._log_training(bar, began)
                if updates % settings.validate_every == 0 or trainer.finished():
                    self._save(self._validate(bar))
                elif trainer.stop or (settings.checkpoint_every and updates % settings.checkpoint_every == 0):
                    self._save()
                if trainer.stop:
                    break
            self.writer.wait()
            trainer.spend(0.0)  # all is saved, and a signal may have come meanwhile
            if trainer.stop:
                raise Interrupted(trainer.stop)

    def _announce(self, bar: "tqdm[Any]") -> None:
        if not self.world.is_main:
            return
        trainer = self.trainer
        size = sum(parameter.numel() for parameter in trainer.model.parameters())
        verb = f"going on from update {trainer.state.updates}" if trainer.state.updates else "training"
        several = f"{self.world.size} processes, " if self.world.size > 1 else ""
        padding = trainer.order.padding_share(trainer.state.epoch)
        device = self.device_spec
        bar.write(
            f"{verb}: {size / 1e6:.1f} M parameters, {several}{device.places} in {device.precision}, "
            f"padding {padding:.1%}; Ctrl-C saves and stops",
            file=sys.stderr,
        )
        facts = {
            "device": self.device_spec.places,
            "precision": self.device_spec.precision,
            "processes": self.world.size,
        }
        self.log.add("start", trainer.position(), facts)

    def _log_training(self, bar: "tqdm[Any]", began: Position) -> None:
        numbers, position = self.trainer.read_window(), self.trainer.position()
        if not self.world.is_main:
            return
        self.log.add("training", position, numbers)
        # Not tqdm's own guess: it knows neither of the limits nor that validations come again.
        left = minutes_left(began, position, self.config.training)
        bar.set_postfix_str(
            ("" if left is None else f"{in_words(left)} left, ")
            + f"loss {numbers['loss']:.2f}, ppl {numbers['perplexity']:.1f}, {numbers['tokens_per_second']:.0f} tok/s"
        )

    def _validate(self, bar: "tqdm[Any]") -> Validation | None:
        """Looks at held-out sentences; returns what it found if the model is the best so far."""
        trainer, state = self.trainer, self.trainer.state
        started = time.perf_counter()
        found = validate(self.predictor, self.prepared.validation, self.world)
        result = found.result(self.config.training.validation_metric)
        best = state.best is None or result > state.best
        if best:
            state.best, state.best_update, state.stale = result, state.updates, 0
        else:
            state.stale += 1
        trainer.spend(time.perf_counter() - started)
        if self.world.is_main:
            position = trainer.position()
            self.log.add("validation", position, {**found.scores(), "best": best})
            _show(found, position, bar, best=best)
        return found if best else None

    def _save(self, best: Validation | None = None) -> None:
        """Writes a checkpoint, and the model if it is the best so far, while training goes on."""
        if self.world.is_main:
            checkpoint = self._checkpoint()
            self.writer.start(lambda: self._write(checkpoint, best))

    def _checkpoint(self) -> Checkpoint:
        checkpoint = self.trainer.checkpoint().copied()
        checkpoint.numbers.update(corpus=self.prepared.report["fingerprint"], processes=self.world.size)
        return checkpoint

    def _write(self, checkpoint: Checkpoint, best: Validation | None) -> None:
        # The model first: what a checkpoint calls the best is then in the folder, whenever a crash comes.
        if best:
            # Scores of an older model must not stand beside a new one.
            (self.folder / EVALUATION).unlink(missing_ok=True)
            updates = checkpoint.numbers["updates"]
            facts = {"updates": updates, "validation": best.scores(), "corpus": self.prepared.report}
            save_model(self.folder, checkpoint.weights(), facts)
        save_checkpoint(self.folder, checkpoint, self.config.training.keep_checkpoints)

    def _say(self, text: str) -> None:
        if self.world.is_main:
            say(text)


def say(text: str) -> None:
    """A line for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def _show(found: Validation, position: Position, bar: "tqdm[Any]", *, best: bool) -> None:
    bar.write(
        f"update {position.updates}, epoch {position.epochs:.1f}, {position.minutes:.1f} min: "
        f"perplexity {found.perplexity:.2f}, BLEU {found.bleu:.1f}, exact match {found.exact_match:.1%} (greedy)"
        f"{', the best so far' if best else ''}",
        file=sys.stderr,
    )
    for pair, output in found.samples:
        bar.write(f"  {shorten(pair.src, 200)}\n    → {shorten(output, 200)}", file=sys.stderr)
