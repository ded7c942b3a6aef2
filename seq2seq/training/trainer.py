"""The training loop: batches in, better weights out, the best of them kept."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seq2seq.config import Config, TrainingConfig
from seq2seq.corpus.batching import Batch, BatchOrder, collate, collate_images
from seq2seq.corpus.prepared import Prepared
from seq2seq.corpus.subword import PAD
from seq2seq.device import DeviceSpec, is_out_of_memory
from seq2seq.errors import Seq2SeqError
from seq2seq.model.build import build_model
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.model.vision.encoder import ImageEncoder
from seq2seq.model.vision.features import Pictures
from seq2seq.runs.folder import unique_tensors
from seq2seq.training.checkpoint import Checkpoint, optimizer_tensors, restore_optimizer
from seq2seq.training.distributed import ALONE, World
from seq2seq.training.epoch_sampler import BatchRef, EpochSampler
from seq2seq.training.objective import cross_entropy
from seq2seq.training.optimizer import build_optimizer, optimizer_step
from seq2seq.training.out_of_memory import pieces, shrink_after_oom
from seq2seq.training.placement import move_to_devices
from seq2seq.training.schedule import Position, finetune_rate, learning_rate, progress
from seq2seq.training.state import TrainerState, Window

# Updates in a row without a finite gradient after which training gives up; it looks as often.
_MOST_BAD_STEPS = 20


class Trainer:
    """One model, its optimiser and its place in the corpus.

    Args:
        model: to be trained, in place.
        prepared: the corpus.
        config: the ``[training]`` table.
        device_spec: device and precision.
        reverse: read sources back to front.
        sampling: subword regularisation, as :class:`seq2seq.training.epoch_sampler.EpochSampler` takes it.
        longest: most tokens of a sampled side.
        pictures: those of the corpus, if its sources are pictures.
        world: the processes that train this model together.

    Attributes:
        stop: a signal that any of them was sent and all know of; 0: none.
    """

    def __init__(
        self,
        model: Seq2Seq,
        prepared: Prepared,
        config: TrainingConfig,
        device_spec: DeviceSpec,
        *,
        reverse: bool,
        sampling: float = 0.0,
        longest: int = 100,
        pictures: Pictures | None = None,
        world: World = ALONE,
    ) -> None:
        move_to_devices(model, device_spec)
        self.model = model
        self.prepared = prepared
        self.config = config
        self.device_spec = device_spec
        self.reverse = reverse
        self.pictures = pictures
        self.order = BatchOrder(
            src_lengths=prepared.src.lengths(),
            tgt_lengths=prepared.tgt.lengths(),
            batch_tokens=config.batch_tokens,
            batch_sentences=config.batch_sentences,
            seed=config.seed,
        )
        self.drawing = EpochSampler(prepared, self.order, sampling=sampling, longest=longest)
        self.optimizer = build_optimizer(model, config)
        self.scaler = torch.amp.GradScaler(device_spec.device.type, enabled=device_spec.dtype == torch.float16)
        self.state = TrainerState()
        self.window = Window()
        self.world = world
        self.stop = 0
        self._asked: Callable[[], int] = lambda: 0
        self._spent = 0.0  # seconds that the others have not heard of
        world.broadcast_in_place(unique_tensors(self.model).values())

    @classmethod
    def of(cls, config: Config, prepared: Prepared, device_spec: DeviceSpec, world: World = ALONE) -> "Trainer":
        """A freshly initialised model of a recipe and what trains it."""
        torch.manual_seed(config.training.seed)
        vocabularies = prepared.vocabularies
        model = build_model(config.model, len(vocabularies.src), len(vocabularies.tgt))
        if isinstance(model.encoder, ImageEncoder):
            load, downloads = model.encoder.backbone.load_pretrained, Path(config.data.directory) / "downloads"
            world.rank0_first(lambda: load(downloads))
        pictures = Pictures(prepared, config, device_spec) if prepared.images else None
        if pictures and config.training.finetune_from != 1:
            look = partial(pictures.features, prepared.images[:1])
            world.rank0_first(look)  # now, so that the clock of training does not count it
        return cls(
            model,
            prepared,
            config.training,
            device_spec,
            reverse=config.model.reverse_source,
            sampling=config.subword.sampling,
            longest=config.data.max_tokens,
            pictures=pictures,
            world=world,
        )

    def position(self) -> Position:
        """How far training has come, as the schedule measures it."""
        return Position(
            updates=self.state.updates,
            epochs=self.state.epoch + self.state.batch / self.state.batches,
            minutes=self.state.seconds / 60,
        )

    def finished(self) -> bool:
        """Whether a limit of the recipe is reached."""
        enough = self.config.patience and self.state.stale >= self.config.patience
        return bool(enough) or progress(self.position(), self.config) >= 1.0

    def finetunes(self) -> bool:
        """Whether the backbone of an image encoder learns in this epoch."""
        return 0 < self.config.finetune_from <= self.state.epoch + 1

    def steps(self, asked: Callable[[], int] = lambda: 0) -> Iterator[None]:
        """Trains, handing control back after every update, until :meth:`finished`.

        Args:
            asked: says which signal this process was sent, 0: none; what comes of it is :attr:`stop`.
        """
        self.model.train()
        self._asked = asked
        batches, together = self._batches(), self.config.accumulate * self.world.size
        while not self.finished():
            started = time.perf_counter()
            self._update([batch() for batch in self.world.share([next(batches) for _ in range(together)])])
            self._spent += time.perf_counter() - started
            if self.world.size == 1:
                self._sync_step()  # several do when they meet for the next update
            yield

    def spend(self, seconds: float) -> None:
        """Counts what all processes have been doing besides updates as training time."""
        self._spent += seconds
        self._sync_step()

    def _sync_step(self, tokens: int = 0, sentences: int = 0) -> tuple[int, int]:
        """Tells the others all that has to be the same everywhere, in one message; the tokens and sentences of all."""
        said = self.world.gather([tokens, sentences, self._asked(), self.state.oom_cells, self._spent])
        tokens_of, sentences_of, signals, sizes, seconds = zip(*said, strict=True)
        self.stop = int(max(signals))
        self.state.oom_cells = int(min(filter(None, sizes), default=0))
        self.state.seconds += seconds[0]
        self._spent = 0.0
        return int(sum(tokens_of)), int(sum(sentences_of))

    def _batches(self) -> Iterator[Callable[[], Batch]]:
        """Batches without end, from where the progress says, which moves on with them; each is made when called."""
        while True:
            if isinstance(self.model.encoder, ImageEncoder):
                self.model.encoder.backbone.requires_grad_(self.finetunes())
            for draw, count in self.drawing.epoch(self.state.epoch, self.state.batch):
                self.state.batch, self.state.batches = self.state.batch + 1, count
                chance = np.random.default_rng((self.config.seed, self.state.epoch, self.state.batch))
                yield partial(self._collate, draw, self.finetunes(), chance)
            self.state.epoch, self.state.batch = self.state.epoch + 1, 0

    def _collate(self, draw: BatchRef, pixels: bool, chance: np.random.Generator) -> Batch:
        sources, targets = draw.pairs()
        if self.pictures is None:
            return collate(sources, targets, reverse=self.reverse)
        names = [self.prepared.images[number] for (number,) in sources]
        return collate_images(self.pictures.look(names, pixels=pixels, chance=chance), targets)

    def _update(self, batches: list[Batch]) -> None:
        """One optimiser step on the mean loss of some batches, those of all processes."""
        tokens, sentences = self._sync_step(
            sum(int((batch.tgt_out != PAD).sum()) for batch in batches), sum(len(batch.tgt_out) for batch in batches)
        )
        count = sentences if self.config.loss_mean == "sentences" else tokens
        position = self.position()
        rates = learning_rate(position, self.config), finetune_rate(position, self.config)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=False):  # few models have a backbone
            group["lr"] = rate
        nll = self._gradient([batch.to(self.device_spec.device) for batch in batches], count)
        self.world.sum_gradients(self.model.parameters())
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm or math.inf)
        bad = (~norm.isfinite()).float()
        optimizer_step(self.optimizer, self.scaler, bad)
        self.state.updates += 1
        self.window.add(nll, tokens, norm, bad)
        if self.state.updates % _MOST_BAD_STEPS == 0:
            self._check_finite()

    def _gradient(self, batches: list[Batch], count: int) -> Tensor:
        """Leaves the gradient of these batches' part in the mean; returns their summed negative log-likelihood.

        Where memory runs out, all of it is done again in smaller pieces, for half a gradient may have been added.

        Raises:
            Seq2SeqError: even a single pair is too much.
        """
        while True:
            self.optimizer.zero_grad()
            nll = torch.zeros((), device=self.device_spec.device)
            try:
                for place, batch in enumerate(batches):
                    self._seed(place)
                    for piece in pieces(batch, self.state.oom_cells):
                        nll = nll + self._forward_backward(piece, count).to(nll.device)
                return nll
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # Only here, where the error is gone, the tensors of the attempt are gone too.
            self.state.oom_cells = shrink_after_oom(piece, self.state.oom_cells)

    def _forward_backward(self, batch: Batch, count: int) -> Tensor:
        """Adds a batch's part to the gradient."""
        with self.device_spec.autocast():
            features = self.model(batch)
            loss = cross_entropy(
                features, self.model.decoder.output, batch.tgt_out, smoothing=self.config.label_smoothing
            )
        self.scaler.scale(loss.smoothed / count).backward()
        return loss.nll

    def _seed(self, place: int) -> None:
        """Draws of the batch at this place of the update, whichever process it falls to and whatever came before."""
        number = place * self.world.size + self.world.rank
        (seed,) = np.random.SeedSequence((self.config.seed, self.state.updates, number)).generate_state(1)
        torch.default_generator.manual_seed(int(seed))
        if any(device.type == "cuda" for device in (self.device_spec.device, *self.device_spec.layers)):
            torch.cuda.manual_seed_all(int(seed))

    def _check_finite(self) -> None:
        """Ends a training that does not learn; seldom, since the host waits for the device here.

        Raises:
            Seq2SeqError: gradients have not been finite for a while.
        """
        if int(self.window.streak) >= _MOST_BAD_STEPS:
            raise Seq2SeqError(
                f"training diverged: no finite gradient in {int(self.window.streak)} updates in a row up to "
                f"update {self.state.updates}; lower training.learning_rate or training.clip_norm"
            )

    def read_window(self) -> dict[str, float]:
        """Means since the last call, for the log. All processes call it at once."""
        window, self.window = self.window, Window(streak=self.window.streak)
        tokens = int(window.tokens)
        self.state.skipped += int(window.bad)
        loss = float(self.world.sum(torch.as_tensor(window.nll))) / max(tokens, 1)
        return {
            "loss": loss,
            "perplexity": math.exp(min(loss, 700)),
            "gradient_norm": float(window.norm) / max(window.updates - int(window.bad), 1),
            "skipped": self.state.skipped,
            "tokens_per_second": tokens / (time.perf_counter() - window.started),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
        }

    def checkpoint(self) -> Checkpoint:
        """Everything :meth:`restore` needs."""
        tensors = {f"model.{name}": tensor for name, tensor in unique_tensors(self.model).items()}
        tensors |= optimizer_tensors(self.optimizer)
        skipped, seconds = self.state.skipped + int(self.window.bad), self.state.seconds + self._spent
        numbers = {**asdict(self.state), "skipped": skipped, "seconds": seconds}
        return Checkpoint(tensors, {**numbers, "scaler": self.scaler.state_dict()})

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes back to where a trainer of the same settings made the checkpoint."""
        tensors, numbers = checkpoint.tensors, dict(checkpoint.numbers)
        if scale := numbers.pop("scaler"):  # empty where the precision needs none
            self.scaler.load_state_dict(scale)
        self.state = TrainerState(**numbers)
        weights = checkpoint.weights()
        with torch.no_grad():
            for name, tensor in unique_tensors(self.model).items():
                tensor.copy_(weights[name])
        restore_optimizer(self.optimizer, tensors)
