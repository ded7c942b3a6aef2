"""The training loop: one update after another, from a model's first weights to the end of its recipe."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seq2seq.config import Config, TrainingConfig
from seq2seq.corpus.batching import Batch
from seq2seq.corpus.prepared import Prepared
from seq2seq.corpus.subword import PAD
from seq2seq.device import DeviceSpec
from seq2seq.errors import Seq2SeqError
from seq2seq.graphs import Recorder
from seq2seq.model.build import build_model
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.runs.folder import unique_tensors
from seq2seq.runs.history import Position
from seq2seq.training.batches import BatchSource
from seq2seq.training.checkpoint import Checkpoint
from seq2seq.training.distributed import ALONE, World
from seq2seq.training.fine_tuning import StartingWeights, freeze
from seq2seq.training.learner import Learner
from seq2seq.training.optimizer import optimizer_tensors, restore_optimizer
from seq2seq.training.out_of_memory import fits, retry_in_pieces
from seq2seq.training.placement import move_to_devices
from seq2seq.training.recorded import RecordedUpdates, are_recorded
from seq2seq.training.schedule import Decay, is_finished, learning_rates
from seq2seq.training.state import TrainerState, Window

# Training ends after this many updates in a row without a finite gradient; the check comes as often.
_MOST_BAD_STEPS = 20


class Trainer:
    """A model, its optimiser and its place in the training.

    Args:
        model: is trained in place.
        batches: of the corpus.
        config: the ``[training]`` table.
        device_spec: device and precision.
        world: the processes that train this model together.
        recorder: records updates; None: only where :func:`seq2seq.training.recorded.are_recorded` says so.

    Attributes:
        decay: of a ``linear`` schedule.
        schedule: learning rates of the next update: of the model, and of the backbone of an image encoder.
        rates: learning rates of the latest update.
        stop: a signal that any rank has received and all ranks know of; 0: none.
    """

    def __init__(
        self,
        model: Seq2Seq,
        batches: BatchSource,
        config: TrainingConfig,
        device_spec: DeviceSpec,
        *,
        world: World = ALONE,
        recorder: Recorder | None = None,
    ) -> None:
        move_to_devices(model, device_spec)
        self.model = model
        self.batches = batches
        self.config = config
        self.device_spec = device_spec
        self.world = world
        self.decay = Decay.of(config)
        self.schedule: Callable[[Position], tuple[float, float]] = self._learning_rates
        self.state = TrainerState()
        self.window = Window(device_spec.device)
        self.learner = Learner(model, config, device_spec, self.window)
        if recorder is None and are_recorded(config, device_spec, world):
            recorder = Recorder(device_spec.device)
        self.recorded = RecordedUpdates(recorder, self.learner.update, self._seed) if recorder else None
        self.rates = (0.0, 0.0)
        self.stop = 0
        self._received: Callable[[], int] = lambda: 0
        self._unshared_seconds = 0.0  # of this rank's clock, not yet part of the state
        world.broadcast_in_place(unique_tensors(self.model).values())

    @classmethod
    def of(
        cls,
        config: Config,
        prepared: Prepared,
        device_spec: DeviceSpec,
        world: World = ALONE,
        start: StartingWeights | None = None,
    ) -> "Trainer":
        """A trainer of a recipe's model, freshly initialised but for what ``start`` has."""
        torch.manual_seed(config.training.seed)
        vocabularies = prepared.vocabularies
        model = build_model(config.model, len(vocabularies.src), len(vocabularies.tgt))
        world.rank0_first(lambda: model.encoder.load_pretrained(Path(config.data.directory) / "downloads"))
        if start:
            start.give_to(model)
        freeze(model, config.training.frozen)
        batches = BatchSource.of(config, prepared, device_spec, world)
        return cls(model, batches, config.training, device_spec, world=world)

    def position(self) -> Position:
        """How far training has come, as schedules and limits measure it."""
        return Position(
            updates=self.state.updates,
            epochs=self.state.epoch + self.state.batch / self.state.batches,
            minutes=self.state.seconds / 60,
        )

    def finished(self) -> bool:
        """True once a limit of the recipe is reached."""
        return is_finished(self.position(), self.state.stale, self.config)

    def finetunes(self) -> bool:
        """True in epochs in which the backbone of an image encoder learns."""
        return 0 < self.config.finetune_from <= self.state.epoch + 1

    def _learning_rates(self, position: Position) -> tuple[float, float]:
        return learning_rates(position, self.config, self.decay)

    def steps(self, received: Callable[[], int] = lambda: 0) -> Iterator[None]:
        """Trains until :meth:`finished`, yielding after every update.

        Args:
            received: the signal that this process has received, 0: none; it becomes :attr:`stop` on all ranks.
        """
        self.model.train()
        self._received = received
        stream, together = self._stream(), self.config.accumulate * self.world.size
        while not self.finished():
            started = time.perf_counter()
            batches = self.world.share([next(stream) for _ in range(together)])
            self._update([batch for batch in batches if batch is not None])
            self._unshared_seconds += time.perf_counter() - started
            if self.world.size == 1:
                self._sync_step()  # several ranks do so at the start of the next update
            yield

    def _stream(self) -> Iterator[Batch | None]:
        """Batches without end, None in place of other ranks'; the state's epoch and batch move on with them."""
        every, first = self.world.size, self.world.rank
        while True:
            self.model.encoder.set_finetuning(self.finetunes())
            batches = self.batches.epoch(
                self.state.epoch, self.state.batch, pixels=self.finetunes(), every=every, first=first
            )
            for batch, count in batches:
                self.state.batch, self.state.batches = self.state.batch + 1, count
                first = (first - 1) % every
                yield batch
            self.state.epoch, self.state.batch = self.state.epoch + 1, 0

    def _update(self, batches: list[Batch]) -> None:
        """One optimiser step on the mean loss of these batches, on the host, and those of the other ranks."""
        # 1. Count: the loss is a mean over the batches of all ranks, so each needs the total before its backward pass.
        counts = [_count(batch) for batch in batches]
        tokens, sentences = self._sync_step(*map(sum, zip(*counts, strict=True)))
        # 2. Learning rates: a function of the position, so that a resumed training has the same.
        self.rates = self.schedule(self.position())
        self.learner.expect(tokens=tokens, sentences=sentences, rates=self.rates)
        # On a GPU, phases 3 to 5 at once.
        if not self._repeat(batches):
            # 3. Forward and backward, in smaller pieces if memory runs out.
            nll = self._forward_backward(batches)
            # 4. Sum over ranks: only once, since each rank may have split its batches in another way.
            self.world.sum_gradients(self.model.parameters())
            # 5. Clip and step, unless the gradient is not finite; sums stay on the device.
            self.learner.step(nll)
        # 6. The host waits for the device only once in a while.
        self.state.updates += 1
        if self.state.updates % _MOST_BAD_STEPS == 0:
            self._check_finite()

    def _repeat(self, batches: list[Batch]) -> bool:
        """Makes the update by a recording, if there is one for its shape; False: nothing was done."""
        if self.recorded is None or self.finetunes() or not fits(batches[0], self.state.oom_cells):
            return False
        return self.recorded.make(*batches)

    def _sync_step(self, tokens: int = 0, sentences: int = 0) -> tuple[int, int]:
        """Exchanges, in one message, what must be equal on all ranks; returns tokens and sentences of all."""
        rows = self.world.gather([tokens, sentences, self._received(), self.state.oom_cells, self._unshared_seconds])
        all_tokens, all_sentences, signals, oom_cells, seconds = zip(*rows, strict=True)
        self.stop = int(max(signals))
        self.state.oom_cells = int(min(filter(None, oom_cells), default=0))
        self.state.seconds += seconds[0]
        self._unshared_seconds = 0.0
        return int(sum(all_tokens)), int(sum(all_sentences))

    def add_seconds(self, seconds: float) -> None:
        """Counts time that all ranks spent between updates as training time."""
        self._unshared_seconds += seconds
        self._sync_step()

    def _forward_backward(self, batches: list[Batch]) -> Tensor:
        """Leaves the gradient of the mean loss in the parameters; returns the summed negative log-likelihood.

        Raises:
            Seq2SeqError: memory does not even suffice for a single pair.
        """

        def work(split: Callable[[Batch], Iterator[Batch]]) -> Tensor:
            weights = self.learner.begin()  # a failed attempt may have left half a gradient
            device = self.device_spec.device
            nll = torch.zeros((), device=device)
            for place, batch in enumerate(batches):
                self._seed(place)
                for piece in split(batch):
                    nll = nll + self.learner.add_gradient(piece.to(device), weights).to(device)
            return nll

        free = self.recorded.free if self.recorded else lambda: False
        nll, self.state.oom_cells = retry_in_pieces(work, self.state.oom_cells, free)
        return nll

    def _seed(self, place: int = 0) -> None:
        """Seeds dropout by update and batch, so that it depends neither on ranks nor on what ran before."""
        number = place * self.world.size + self.world.rank
        (seed,) = np.random.SeedSequence((self.config.seed, self.state.updates, number)).generate_state(1)
        torch.default_generator.manual_seed(int(seed))
        if any(device.type == "cuda" for device in (self.device_spec.device, *self.device_spec.layers)):
            torch.cuda.manual_seed_all(int(seed))

    def _check_finite(self) -> None:
        """Ends a training that has diverged; the host waits for the device here.

        Raises:
            Seq2SeqError: the latest updates had no finite gradient.
        """
        if int(self.window.streak) >= _MOST_BAD_STEPS:
            clipped = 0 < self.config.clip_norm < math.inf
            raise Seq2SeqError(
                f"training diverged: no finite gradient in {int(self.window.streak)} updates in a row up to "
                f"update {self.state.updates}; lower training.learning_rate or "
                + ("training.clip_norm" if clipped else "limit gradients, as training.clip_norm=1 does")
            )

    def read_window(self) -> dict[str, float]:
        """Means since the last call, for the log; all ranks must call it together.

        Where every update was skipped there is no ``loss``, ``perplexity`` and ``gradient_norm``.
        """
        self.gather_window(to_all=True)
        window = self.window.numbers()
        self.window.clear()
        self.state.skipped += int(window["bad"])
        means = {}
        if good := window["updates"] - window["bad"]:
            loss = window["nll"] / window["tokens"]
            means = {"loss": loss, "perplexity": math.exp(min(loss, 700)), "gradient_norm": window["norm"] / good}
        return {
            **means,
            "skipped": self.state.skipped,
            "tokens": window["tokens"],
            "tokens_per_second": window["tokens"] / window["seconds"],
            "learning_rate": self.rates[0],
        }

    def gather_window(self, *, to_all: bool = False) -> None:
        """Moves the sums of all ranks to rank 0, before a checkpoint, or to all; all ranks must call it together."""
        (total,) = map(sum, zip(*self.world.gather([float(self.window.nll)]), strict=True))
        self.window.nll.fill_(total if to_all or self.world.is_main else 0.0)

    def checkpoint(self) -> Checkpoint:
        """Everything :meth:`restore` needs."""
        tensors = {f"model.{name}": tensor for name, tensor in unique_tensors(self.model).items()}
        tensors |= optimizer_tensors(self.learner.optimizer, self.model)
        numbers = {**asdict(self.state), "seconds": self.state.seconds + self._unshared_seconds}
        others = {"scaler": self.learner.scale.numbers(), "window": self.window.numbers(), "decay": asdict(self.decay)}
        return Checkpoint(tensors, numbers | others)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continues from a checkpoint that a trainer of the same settings, but perhaps other limits, made."""
        numbers = dict(checkpoint.numbers)
        window, decay = numbers.pop("window"), numbers.pop("decay")
        self.window.restore(window if self.world.is_main else window | {"nll": 0.0})
        self.learner.scale.restore(numbers.pop("scaler"))
        self.state = TrainerState(**numbers)
        old = Decay(limits=tuple(decay["limits"]), start=Position(**decay["start"]), factor=decay["factor"])
        self.decay = old.changed(self.position(), self.config)
        weights = checkpoint.weights()
        with torch.no_grad():
            for name, tensor in unique_tensors(self.model).items():
                tensor.copy_(weights[name])
        restore_optimizer(self.learner.optimizer, self.model, checkpoint.tensors)
        if self.recorded:
            self.recorded.forget()


def _count(batch: Batch) -> tuple[int, int]:
    """Target tokens and sentences of a batch; rows that only fill it up are neither."""
    real = batch.tgt_out.cpu().numpy() != PAD
    return int(real.sum()), int(real[:, 0].sum())
