"""One call of ``train`` on a run folder: the trainer, its checkpoints, its log and its messages."""

import sys
import time
from dataclasses import fields
from pathlib import Path
from textwrap import shorten
from typing import Any

from torch import Tensor
from tqdm import tqdm

from seq2seq.config import Config
from seq2seq.config.automatic import chosen, differences
from seq2seq.corpus.prepared import Prepared, corpus_summary, settled
from seq2seq.decoding.captioner import Captioner
from seq2seq.decoding.predictor import Predictor
from seq2seq.decoding.readers import Member
from seq2seq.decoding.translator import Translator
from seq2seq.device import DeviceSpec, gpu_memory
from seq2seq.errors import RunError, warn
from seq2seq.metrics.names import shown_score
from seq2seq.runs.folder import create_run, save_model
from seq2seq.runs.history import Position
from seq2seq.runs.layout import CARD, EVALUATION, MODEL, outputs_name
from seq2seq.training.checkpoint import (
    Checkpoint,
    checkpoint_folders,
    load_checkpoint,
    save_checkpoint,
    tidy_checkpoints,
)
from seq2seq.training.distributed import World
from seq2seq.training.fine_tuning import StartingWeights
from seq2seq.training.log import Log, cut_log
from seq2seq.training.schedule import BEGINNING, in_words, minutes_left, progress
from seq2seq.training.signals import Interrupted, recording_signals
from seq2seq.training.state import TrainerState
from seq2seq.training.trainer import Trainer
from seq2seq.training.validation import Validation, criterion_of, validate
from seq2seq.training.writer import BackgroundWriter
from seq2seq.version import __version__

# The numbers of a checkpoint.
_NUMBERS = {entry.name for entry in fields(TrainerState)} | {"scaler", "window", "decay", "corpus", "processes"}


class TrainingSession:
    """Trains from the newest checkpoint of a run folder, if any, to the end of the recipe.

    Every rank has a session; only rank 0 writes files and messages.

    Args:
        folder: of the run.
        config: its recipe.
        prepared: its corpus.
        device_spec: where to train.
        world: the processes that train together.
        log: of the run.

    Raises:
        RunError: the run cannot be continued.
    """

    def __init__(
        self, folder: Path, config: Config, prepared: Prepared, device_spec: DeviceSpec, world: World, log: Log
    ) -> None:
        # Of the smallest GPU, since all ranks must have the same batches.
        memory = min(int(one) for (one,) in world.gather([gpu_memory(device_spec.device)]))
        recipe, config = config, settled(config, prepared, memory)
        self.folder, self.config, self.prepared = folder, config, prepared
        # What the corpus decided in place of `auto`, by `table.key`.
        self.chosen = {**prepared.report["chosen"], **differences(recipe, config)}
        self.device_spec, self.world, self.log = device_spec, world, log
        if len(set(world.interleave([prepared.report["fingerprint"]]))) > 1:
            raise RunError(
                f"the processes found {config.data.path} in different states: give all of them the same data"
            )
        if world.is_main:
            say(corpus_summary(prepared))
            if self.chosen:
                say(f"chosen for it: {', '.join(f'{key} = {value}' for key, value in self.chosen.items())}")
        self.criterion = criterion_of(config, prepared.validation)
        begins = config.training.start_from and not checkpoint_folders(folder)
        start = StartingWeights.load(Path(config.training.start_from)) if begins else None
        self.trainer = Trainer.of(config, prepared, device_spec, world, start)
        if start and world.is_main:
            say(start.summary(self.trainer.model))
        self.predictor = self._predictor()
        self.writer = BackgroundWriter()
        tensors: dict[str, Tensor] = {}  # large: not sent along with the numbers
        numbers = world.from_rank0(lambda: self._begin(tensors))
        if numbers:
            self.trainer.restore(Checkpoint(world.broadcast(tensors), numbers))

    def _predictor(self) -> Predictor:
        members = [Member(self.trainer.model, self.prepared.vocabularies, self.config, self.prepared.target_lengths)]
        pictures = self.trainer.batches.pictures
        if pictures is None:
            return Translator(members, self.device_spec)
        return Captioner(members, self.device_spec, lambda names: pictures.look(names, pixels=self.trainer.finetunes()))

    def _begin(self, tensors: dict[str, Tensor]) -> dict[str, Any]:
        """Sets up the run folder, on rank 0: with a first checkpoint, or as the newest checkpoint left it.

        Args:
            tensors: receives the tensors of the checkpoint to continue from.

        Returns:
            Its numbers; empty if there is none.
        """
        checkpoint = self._resumable()
        create_run(self.folder, self.config, self.prepared.vocabularies, self.prepared.report["chosen"])
        if checkpoint is None:
            # Before any model is saved, so that a model in the folder always has a checkpoint to continue from.
            self._write(self._checkpoint(), None)
            return {}
        updates, settings = checkpoint.numbers["updates"], self.config.training
        cut_log(self.folder, updates)
        tidy_checkpoints(self.folder, updates, settings.keep_checkpoints)
        before, now = checkpoint.numbers.pop("processes"), self.world.size
        if before != now:
            warn(
                f"{self.folder} was begun with {before} processes and goes on with {now}: "
                f"an update is now made of {now * settings.accumulate} batches"
            )
        tensors.update(checkpoint.tensors)
        return checkpoint.numbers

    def _resumable(self) -> Checkpoint | None:
        """The newest checkpoint, without the corpus's fingerprint; None if there is none.

        Raises:
            RunError: it belongs to another version or corpus, or the folder holds a model but no checkpoint.
        """
        checkpoint = load_checkpoint(self.folder)
        if checkpoint and checkpoint.numbers.keys() != _NUMBERS:
            raise RunError(
                f"{self.folder} was begun with another version of seq2seq than {__version__}: "
                "go on with that one, choose another folder with --run, or remove this one"
            )
        if checkpoint and checkpoint.numbers.pop("corpus") != self.prepared.report["fingerprint"]:
            raise RunError(
                f"{self.folder} was begun on another state of its corpus {self.config.data.path}: "
                "bring that state back, choose another folder with --run, or remove this one"
            )
        if not checkpoint and (self.folder / MODEL).is_file():
            raise RunError(
                f"{self.folder} holds a model but no checkpoint to go on from, and training anew would overwrite it: "
                "choose another folder with --run, or remove this one"
            )
        return checkpoint

    def run(self) -> None:
        """Trains to the end of the recipe, or until a signal.

        Raises:
            Interrupted: a signal came, and everything is saved.
        """
        trainer, settings = self.trainer, self.config.training
        if trainer.finished():
            if self.world.is_main:
                say(f"{self.folder} is trained already ({trainer.state.updates} updates)")
            return
        bar = tqdm(
            total=100,
            initial=100 * progress(trainer.position(), settings),
            bar_format="{l_bar}{bar}| {elapsed}{postfix}",
            disable=None if self.world.is_main else True,
        )
        with recording_signals() as received, bar, self.log, self.writer:
            began, means = trainer.position(), ""
            self._announce(bar)
            for _ in trainer.steps(received):
                self.writer.check()
                bar.update(100 * progress(trainer.position(), settings) - bar.n)
                updates = trainer.state.updates
                if updates % settings.log_every == 0:
                    means = self._log_training(bar, began)
                if updates % chosen(settings.validate_every) == 0 or trainer.finished():
                    self._save(self._validate(bar))
                elif trainer.stop or (settings.checkpoint_every and updates % settings.checkpoint_every == 0):
                    self._save(None)
                if trainer.stop:
                    break
            self.writer.wait()
            trainer.add_seconds(0.0)  # synchronises `stop`: a signal may have come during the last save
            self._end(bar, means)

    def _end(self, bar: "tqdm[Any]", means: str) -> None:
        """Leaves a bar that tells no time left, or raises Interrupted after a signal."""
        if stop := self.trainer.stop:
            if self.world.is_main:
                self.log.add("stop", self.trainer.position(), {"signal": stop})
            raise Interrupted(stop)
        if means:
            bar.set_postfix_str(means)

    def _announce(self, bar: "tqdm[Any]") -> None:
        """Logs the start and describes what is trained where."""
        if not self.world.is_main:
            return
        trainer, device, processes = self.trainer, self.device_spec, self.world.size
        parameters = sum(parameter.numel() for parameter in trainer.model.parameters())
        verb = f"going on from update {trainer.state.updates}" if trainer.state.updates else "training"
        several = f"{processes} processes, " if processes > 1 else ""
        order = trainer.batches.order
        padding = order.padding_share(trainer.state.epoch)
        size = f"batches of {order.batch_tokens:,} tokens, " if "training.batch_tokens" in self.chosen else ""
        bar.write(
            f"{verb}: {parameters:,} parameters, {several}{device.places} in {device.precision}, "
            f"{size}padding {padding:.1%}; Ctrl-C saves and stops",
            file=sys.stderr,
        )
        facts = {
            "device": device.places,
            "machine": device.machine,
            "precision": device.precision,
            "processes": processes,
            "batch_tokens": order.batch_tokens,  # 0: by sentences
        }
        self.log.add("start", trainer.position(), facts)
        if self.config.training.schedule == "linear" and trainer.decay.start == trainer.position() != BEGINNING:
            rate, _ = trainer.schedule(trainer.position())
            bar.write(
                f"the limits have changed: the learning rate goes on from {rate:.3g}, where it stands, without a jump "
                "to the line that ends with the new limits",
                file=sys.stderr,
            )

    def _log_training(self, bar: "tqdm[Any]", began: Position) -> str:
        """Logs the means since the last time, and shows them in the bar; returns them in words, on rank 0."""
        numbers, position = self.trainer.read_window(), self.trainer.position()
        if not self.world.is_main:
            return ""
        self.log.add("training", position, numbers)
        # Not tqdm's own estimate, which knows neither the limits nor that validations recur.
        left = minutes_left(began, position, self.config.training)
        means = "every update skipped"
        if "loss" in numbers:
            means = "loss {loss:.2f}, ppl {perplexity:.1f}, {tokens_per_second:.0f} tok/s".format(**numbers)
        bar.set_postfix_str(("" if left is None else f"{in_words(left)} left, ") + means)
        return means

    def _validate(self, bar: "tqdm[Any]") -> Validation | None:
        """Scores the model on held-out sentences and logs the scores; returns them if it is the best so far."""
        trainer = self.trainer
        started = time.perf_counter()
        validation = validate(self.predictor, self.prepared.validation, self.world, self.criterion)
        best = trainer.state.add_result(validation.result(self.config.training.validation_metric))
        trainer.add_seconds(time.perf_counter() - started)
        if self.world.is_main:
            position = trainer.position()
            self.log.add("validation", position, {**validation.scores(), "cut": validation.cut, "best": best})
            _show(validation, position, bar, best=best)
        return validation if best else None

    def _save(self, best: Validation | None) -> None:
        """Writes a checkpoint, and the model if it is the best so far, while training goes on."""
        self.trainer.gather_window()
        if self.world.is_main:
            checkpoint = self._checkpoint()
            self.writer.start(lambda: self._write(checkpoint, best))

    def _checkpoint(self) -> Checkpoint:
        checkpoint = self.trainer.checkpoint().copied()
        checkpoint.numbers.update(corpus=self.prepared.report["fingerprint"], processes=self.world.size)
        return checkpoint

    def _write(self, checkpoint: Checkpoint, best: Validation | None) -> None:
        # The model first, so that at any crash the folder has the best model that its newest checkpoint knows of.
        if best:
            outputs = [outputs_name(split) for split in ("test", "validation")]
            for name in (EVALUATION, CARD, *outputs):  # of an older model
                (self.folder / name).unlink(missing_ok=True)
            updates = checkpoint.numbers["updates"]
            facts = {"updates": updates, "validation": best.scores(), "corpus": self.prepared.report}
            facts["settled"] = self.criterion.settled(self.config)
            save_model(self.folder, checkpoint.weights(), facts)
        save_checkpoint(self.folder, checkpoint, self.config.training.keep_checkpoints)


def say(text: str) -> None:
    """Prints a line on stderr, at once."""
    print(text, file=sys.stderr, flush=True)


def _show(validation: Validation, position: Position, bar: "tqdm[Any]", *, best: bool) -> None:
    """Prints the scores and some outputs above the progress bar."""
    shown = [shown_score(key, score) for key, score in validation.scores().items() if key != "perplexity"]
    notes = f", {validation.cut} outputs cut" if validation.cut else ""
    notes += ", the best so far" if best else ""
    bar.write(
        f"update {position.updates}, epoch {position.epochs:.1f}, {position.minutes:.1f} min: "
        f"perplexity {validation.perplexity:.2f}, {', '.join(shown)} (greedy){notes}",
        file=sys.stderr,
    )
    for pair, output in validation.samples:
        bar.write(f"  {shorten(pair.src, 200)}\n    → {shorten(output, 200)}", file=sys.stderr)
