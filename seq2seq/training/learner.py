"""What a device computes in an update: gradient, clipping, step and sums."""

import math

import torch
from torch import Tensor

from seq2seq.config import TrainingConfig
from seq2seq.corpus.batching import Batch
from seq2seq.device import DeviceSpec
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.training.loss_scale import LossScale
from seq2seq.training.objective import Objective
from seq2seq.training.optimizer import build_optimizer, clip_gradients, optimizer_step
from seq2seq.training.state import Window


class Learner:
    """Changes the weights of a model.

    The host never waits for the device here, and whatever changes from one update to the next comes in tensors: so an
    update can be recorded and repeated (:mod:`seq2seq.training.recorded`).

    Args:
        model: on its device.
        config: the ``[training]`` table.
        device_spec: device and precision.
        window: gets the sums of every update.

    Attributes:
        optimizer: of the model.
        scale: of the loss.
    """

    def __init__(self, model: Seq2Seq, config: TrainingConfig, device_spec: DeviceSpec, window: Window) -> None:
        self.model, self.config, self.device_spec, self.window = model, config, device_spec, window
        self.objective = Objective(model, config.label_smoothing)
        self.optimizer = build_optimizer(model, config)
        self.scale = LossScale(device_spec.device, enabled=device_spec.dtype == torch.float16)
        self._tokens, self._count = torch.zeros(2, dtype=torch.int64, device=device_spec.device).unbind()

    def expect(self, *, tokens: int, sentences: int, rates: tuple[float, float]) -> None:
        """Takes the numbers of the coming update.

        Args:
            tokens: target tokens in the batches of all ranks.
            sentences: likewise.
            rates: learning rates of the model and of the backbone of an image encoder.
        """
        self._tokens.fill_(tokens)
        self._count.fill_(sentences if self.config.loss_mean == "sentences" else tokens)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=False):
            group["lr"].fill_(rate)  # few models have a second group, the backbone

    def update(self, batch: Batch) -> None:
        """A whole update on one batch."""
        self.step(self.add_gradient(batch, self.begin()))

    def begin(self) -> dict[str, Tensor]:
        """Drops the gradient; returns the copies of the weights with which to compute the next one."""
        self.optimizer.zero_grad()
        return self.objective.cast_weights(self.device_spec.dtype)

    def add_gradient(self, piece: Batch, weights: dict[str, Tensor]) -> Tensor:
        """Adds the gradient of one piece's share in the mean loss; returns its negative log-likelihood.

        Args:
            piece: a batch or a part of it.
            weights: of :meth:`begin`.
        """
        loss = self.objective.loss(piece, weights)
        mean = loss.smoothed / self._count.to(loss.smoothed.device)
        self.scale.scale(mean).backward()
        return loss.nll

    def step(self, nll: Tensor) -> None:
        """Clips the gradient, makes the step and adds to the window.

        Args:
            nll: summed negative log-likelihood of this rank's batches.
        """
        # The norm is that of the true gradient of the whole update.
        norm = clip_gradients(self.model.parameters(), self.config.clip_norm or math.inf, self.scale)
        # A step along a gradient that is not finite would destroy all weights.
        bad = (~norm.isfinite()).float()
        optimizer_step(self.optimizer, self.scale, bad)
        self.window.add(nll, self._tokens, norm, bad)
