"""The training loop: batches in, better weights out, the best of them kept."""

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seq2seq.config import Config, TrainingConfig
from seq2seq.corpus.batching import Batch, BatchOrder, collate, collate_pictures
from seq2seq.corpus.prepared import Prepared
from seq2seq.corpus.subword import PAD
from seq2seq.errors import Seq2SeqError
from seq2seq.model.build import build_model
from seq2seq.model.compute import Compute
from seq2seq.model.features import Pictures
from seq2seq.model.image_encoder import ImageEncoder
from seq2seq.model.run_folder import untied_weights
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.training.checkpoint import Checkpoint, optimizer_tensors, restore_optimizer
from seq2seq.training.drawing import Drawing
from seq2seq.training.objective import cross_entropy
from seq2seq.training.schedule import Position, finetune_rate, learning_rate, progress

# Updates in a row without a finite gradient after which training gives up.
_MOST_BAD_STEPS = 20


@dataclass(slots=True)
class Progress:
    """Where training stands: all plain numbers, kept in checkpoints."""

    updates: int = 0
    epoch: int = 0
    batch: int = 0
    """Batches of this epoch that were used."""
    batches: int = 1
    """Batches this epoch has, as far as is known."""
    seconds: float = 0.0
    skipped: int = 0
    """Updates left out because loss or gradient was not finite."""
    best: list[float] | None = None
    """Best validation result so far, as :meth:`Validation.result` gives it."""
    best_update: int = 0
    stale: int = 0
    """Validations since the best one."""


@dataclass(slots=True)
class Window:
    """Sums since the last line of the log; tensors, so that no step waits for the device."""

    nll: Tensor | float = 0.0
    tokens: Tensor | int = 0
    norm: Tensor | float = 0.0
    bad: Tensor | float = 0.0
    """Updates that were left out because the gradient was not finite."""
    streak: Tensor | float = 0.0
    """How many of the newest updates in a row were."""
    longest: Tensor | float = 0.0
    """The longest such row."""
    updates: int = 0
    started: float = field(default_factory=time.perf_counter)

    def add(self, nll: Tensor, tokens: Tensor, norm: Tensor, bad: Tensor) -> None:
        """One more update; of a bad one (``bad`` = 1) nothing but its number."""
        good = bad == 0
        self.nll = self.nll + torch.where(good, nll, 0.0)
        self.norm = self.norm + torch.where(good, norm, 0.0)
        self.tokens = self.tokens + torch.where(good, tokens, 0)
        self.bad = self.bad + bad
        self.streak = (self.streak + 1) * bad
        self.longest = torch.maximum(torch.as_tensor(self.longest, device=bad.device), self.streak)
        self.updates += 1


class Trainer:
    """One model, its optimiser and its place in the corpus.

    Args:
        model: to be trained, in place.
        prepared: the corpus.
        config: the ``[training]`` table.
        compute: device and precision.
        reverse: read sources back to front.
        sampling: subword regularisation, as :class:`seq2seq.training.drawing.Drawing` takes it.
        longest: most tokens of a sampled side.
        pictures: those of the corpus, if its sources are pictures.
    """

    def __init__(
        self,
        model: Seq2Seq,
        prepared: Prepared,
        config: TrainingConfig,
        compute: Compute,
        *,
        reverse: bool,
        sampling: float = 0.0,
        longest: int = 100,
        pictures: Pictures | None = None,
    ) -> None:
        self.model = model.to(compute.device)
        self.prepared = prepared
        self.config = config
        self.compute = compute
        self.reverse = reverse
        self.pictures = pictures
        self.order = BatchOrder(
            src_lengths=prepared.src.lengths(),
            tgt_lengths=prepared.tgt.lengths(),
            batch_tokens=config.batch_tokens,
            batch_sentences=config.batch_sentences,
            seed=config.seed,
        )
        self.drawing = Drawing(prepared, self.order, sampling=sampling, longest=longest)
        self.optimizer = _optimizer(model, config)
        self.scaler = torch.amp.GradScaler(compute.device.type, enabled=compute.dtype == torch.float16)
        self.progress = Progress()
        self.window = Window()

    @classmethod
    def of(cls, config: Config, prepared: Prepared, compute: Compute) -> "Trainer":
        """A freshly initialised model of a recipe and what trains it."""
        torch.manual_seed(config.training.seed)
        vocabularies = prepared.vocabularies
        model = build_model(config.model, len(vocabularies.src), len(vocabularies.tgt))
        if isinstance(model.encoder, ImageEncoder):
            model.encoder.backbone.load_pretrained(Path(config.data.directory) / "downloads")
        pictures = Pictures(prepared, config, compute) if prepared.pictures else None
        if pictures and config.training.finetune_from != 1:
            pictures.features(prepared.pictures[:1])  # now, so that the clock of training does not count it
        return cls(
            model,
            prepared,
            config.training,
            compute,
            reverse=config.model.reverse_source,
            sampling=config.subword.sampling,
            longest=config.data.max_tokens,
            pictures=pictures,
        )

    def position(self) -> Position:
        """How far training has come, as the schedule measures it."""
        return Position(
            updates=self.progress.updates,
            epochs=self.progress.epoch + self.progress.batch / self.progress.batches,
            minutes=self.progress.seconds / 60,
        )

    def finished(self) -> bool:
        """Whether a limit of the recipe is reached."""
        enough = self.config.patience and self.progress.stale >= self.config.patience
        return bool(enough) or progress(self.position(), self.config) >= 1.0

    def finetunes(self) -> bool:
        """Whether the backbone of an image encoder learns in this epoch."""
        return 0 < self.config.finetune_from <= self.progress.epoch + 1

    def steps(self) -> Iterator[None]:
        """Trains, handing control back after every update, until :meth:`finished`."""
        self.model.train()
        batches = self._batches()
        while not self.finished():
            started = time.perf_counter()
            self._update([next(batches) for _ in range(self.config.accumulate)])
            self.progress.seconds += time.perf_counter() - started
            yield

    def _batches(self) -> Iterator[Batch]:
        """Batches without end, from where the progress says, which moves on with them."""
        while True:
            if isinstance(self.model.encoder, ImageEncoder):
                self.model.encoder.backbone.requires_grad_(self.finetunes())
            for (sources, targets), count in self.drawing.epoch(self.progress.epoch, self.progress.batch):
                self.progress.batch, self.progress.batches = self.progress.batch + 1, count
                yield self._collate(sources, targets).to(self.compute.device)
            self.progress.epoch, self.progress.batch = self.progress.epoch + 1, 0

    def _collate(self, sources: list[list[int]], targets: list[list[int]]) -> Batch:
        if self.pictures is None:
            return collate(sources, targets, reverse=self.reverse)
        chance = np.random.default_rng((self.config.seed, self.progress.epoch, self.progress.batch))
        names = [self.prepared.pictures[number] for (number,) in sources]
        return collate_pictures(self.pictures.look(names, pixels=self.finetunes(), chance=chance), targets)

    def _update(self, batches: list[Batch]) -> None:
        """One optimiser step on the mean loss per token of some batches."""
        position = self.position()
        rates = learning_rate(position, self.config), finetune_rate(position, self.config)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=False):  # few models have a backbone
            group["lr"] = rate
        tokens = sum(((batch.tgt_out != PAD).sum() for batch in batches), torch.tensor(0, device=self.compute.device))
        self.optimizer.zero_grad()
        nll = torch.zeros((), device=self.compute.device)
        for batch in batches:
            with self.compute.autocast():
                features = self.model(batch)
                loss = cross_entropy(
                    features, self.model.decoder.output, batch.tgt_out, smoothing=self.config.label_smoothing
                )
            self.scaler.scale(loss.smoothed / tokens).backward()
            nll = nll + loss.nll
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm or math.inf)
        bad = (~norm.isfinite()).float()
        self._step(bad)
        self.progress.updates += 1
        self.window.add(nll, tokens, norm, bad)

    def _step(self, bad: Tensor) -> None:
        """Applies the gradient unless ``bad`` is 1 (it is not finite): then no weight changes."""
        if self.scaler.is_enabled():
            self.scaler.step(self.optimizer)  # makes the same check
            self.scaler.update()
        else:
            # Fused optimisers read this on the device, so the host need not wait to know.
            self.optimizer.found_inf = bad  # type: ignore[attr-defined]
            self.optimizer.step()

    def read_window(self) -> dict[str, float]:
        """Means since the last call, for the log; the only place where the host waits for the device.

        Raises:
            Seq2SeqError: gradients have not been finite for a while.
        """
        window, self.window = self.window, Window(streak=self.window.streak)
        tokens = int(window.tokens)
        self.progress.skipped += int(window.bad)
        if int(window.longest) >= _MOST_BAD_STEPS:
            raise Seq2SeqError(
                f"training diverged: no finite gradient in {int(window.longest)} updates in a row before "
                f"update {self.progress.updates}; lower training.learning_rate or training.clip_norm"
            )
        loss = float(window.nll) / max(tokens, 1)
        return {
            "loss": loss,
            "perplexity": math.exp(min(loss, 700)),
            "gradient_norm": float(window.norm) / max(window.updates - int(window.bad), 1),
            "skipped": self.progress.skipped,
            "tokens_per_second": tokens / (time.perf_counter() - window.started),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
        }

    def checkpoint(self) -> Checkpoint:
        """Everything :meth:`restore` needs."""
        tensors = {f"model.{name}": tensor for name, tensor in untied_weights(self.model).items()}
        tensors |= optimizer_tensors(self.optimizer)
        tensors["random.cpu"] = torch.get_rng_state()
        if self.compute.device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.compute.device)
        skipped = self.progress.skipped + int(self.window.bad)
        return Checkpoint(tensors, {**asdict(self.progress), "skipped": skipped, "scaler": self.scaler.state_dict()})

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes back to where a trainer of the same settings made the checkpoint."""
        tensors, numbers = checkpoint.tensors, dict(checkpoint.progress)
        if scale := numbers.pop("scaler"):  # empty where the precision needs none
            self.scaler.load_state_dict(scale)
        self.progress = Progress(**numbers)
        weights = {name[6:]: tensor for name, tensor in tensors.items() if name.startswith("model.")}
        with torch.no_grad():
            for name, tensor in untied_weights(self.model).items():
                tensor.copy_(weights[name])
        restore_optimizer(self.optimizer, tensors)
        torch.set_rng_state(tensors["random.cpu"])
        if "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"], self.compute.device)


def _optimizer(model: Seq2Seq, config: TrainingConfig) -> torch.optim.Optimizer:
    groups = _parameter_groups(model)
    match config.optimizer:
        case "sgd":
            return torch.optim.SGD(groups, lr=1.0, weight_decay=config.weight_decay, fused=True)
        case "adam":
            # Decoupled decay (Loshchilov & Hutter 2019); without decay it is Adam (Kingma & Ba 2015).
            return torch.optim.AdamW(groups, lr=1.0, betas=(0.9, 0.98), weight_decay=config.weight_decay, fused=True)


def _parameter_groups(model: Seq2Seq) -> list[dict[str, Any]]:
    """The parameters; those of a backbone, which has a learning rate of its own, in a second group."""
    backbone = list(model.encoder.backbone.parameters()) if isinstance(model.encoder, ImageEncoder) else []
    known = set(map(id, backbone))
    others = [parameter for parameter in model.parameters() if id(parameter) not in known]
    return [{"params": group} for group in (others, backbone) if group]
