"""What a trainer counts: its place in the training, and sums for the next line of the log."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(slots=True)
class TrainerState:
    """Where training stands: plain numbers, saved in checkpoints and the same on every rank."""

    updates: int = 0
    """Optimiser steps, skipped ones included."""
    epoch: int = 0
    """Of the next batch, counted from 0."""
    batch: int = 0
    """Batches of this epoch that were used."""
    batches: int = 1
    """Batches in this epoch; an estimate until its last pool is read."""
    seconds: float = 0.0
    """Training time, validations included."""
    skipped: int = 0
    """Updates skipped because the gradient was not finite, up to the last line of the log."""
    best: list[float] | None = None
    """Best validation result, as :meth:`seq2seq.training.validation.Validation.result` gives it."""
    stale: int = 0
    """Validations since the best one."""
    oom_cells: int = 0
    """Cells of the smallest piece of a batch that did not fit into memory; 0: every batch fitted."""

    def add_result(self, result: list[float]) -> bool:
        """Compares a validation result with the best so far; True if it is the new best.

        Only a greater result is better, so that the first of equal models is kept.
        """
        better = self.best is None or result > self.best
        self.best, self.stale = (result, 0) if better else (self.best, self.stale + 1)
        return better


@dataclass(slots=True)
class Window:
    """Sums since the last line of the log; tensors, so that no update waits for the device."""

    nll: Tensor | float = 0.0
    """Negative log-likelihood of this rank's batches; the other fields are global."""
    tokens: Tensor | int = 0
    norm: Tensor | float = 0.0
    """Sum of the gradients' norms, before clipping."""
    bad: Tensor | float = 0.0
    """Updates skipped because the gradient was not finite; they count in no other sum."""
    streak: Tensor | float = 0.0
    """How many of the latest updates in a row were skipped."""
    updates: int = 0
    started: float = field(default_factory=time.perf_counter)

    def add(self, nll: Tensor, tokens: int, norm: Tensor, bad: Tensor) -> None:
        """Adds an update; ``bad`` is 1 if it was skipped."""
        good = bad == 0
        self.nll = self.nll + torch.where(good, nll, 0.0)
        self.norm = self.norm + torch.where(good, norm, 0.0)
        self.tokens = self.tokens + torch.where(good, tokens, 0)
        self.bad = self.bad + bad
        self.streak = (self.streak + 1) * bad
        self.updates += 1

    def numbers(self) -> dict[str, float]:
        """The sums as a checkpoint holds them; the host waits for the device here."""
        return {
            "nll": float(self.nll),
            "tokens": int(self.tokens),
            "norm": float(self.norm),
            "bad": int(self.bad),
            "streak": int(self.streak),
            "updates": self.updates,
            "seconds": time.perf_counter() - self.started,
        }

    @classmethod
    def restored(cls, numbers: Mapping[str, Any]) -> "Window":
        """The window of which :meth:`numbers` are, to the last bit; time in between does not count."""
        sums = {name: value for name, value in numbers.items() if name != "seconds"}
        return cls(**sums, started=time.perf_counter() - numbers["seconds"])
