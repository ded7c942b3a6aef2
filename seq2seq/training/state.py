"""What a trainer counts: its place in the training, and sums for the next line of the log."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
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


class Window:
    """Sums since the last line of the log, on the device: no update waits for them.

    They are added to in place, so that a recorded update finds them.

    Args:
        device: where updates are computed.

    Attributes:
        nll: negative log-likelihood of this rank's batches; the other sums are global. A float64 scalar, as all are.
        tokens: target tokens.
        norm: sum of the gradients' norms, before clipping.
        bad: updates skipped because the gradient was not finite; they count in no other sum but ``updates``.
        streak: how many of the latest updates in a row were skipped.
        updates: all.
        started: when the window began, in the seconds of ``time.perf_counter``.
    """

    def __init__(self, device: torch.device) -> None:
        self._sums = torch.zeros(6, dtype=torch.float64, device=device)
        self.nll, self.norm, self.tokens, self.bad, self.streak, self.updates = self._sums.unbind()
        self.started = time.perf_counter()

    def add(self, nll: Tensor, tokens: Tensor, norm: Tensor, bad: Tensor) -> None:
        """Adds an update; ``bad`` is 1.0 if it was skipped, else 0.0."""
        skipped = bad > 0
        self.nll += nll.masked_fill(skipped, 0)
        self.tokens += tokens.masked_fill(skipped, 0)
        self.norm += norm.masked_fill(skipped, 0)
        self.bad += bad
        self.streak.add_(1).mul_(bad)
        self.updates += 1

    def clear(self) -> None:
        """Begins a new window; the streak goes on."""
        streak = self.streak.clone()
        self._sums.zero_()
        self.streak.copy_(streak)
        self.started = time.perf_counter()

    def numbers(self) -> dict[str, float]:
        """The sums as a checkpoint holds them; the host waits for the device here."""
        nll, norm, *counts = self._sums.tolist()
        tokens, bad, streak, updates = map(int, counts)
        seconds = time.perf_counter() - self.started
        return {
            "nll": nll,
            "tokens": tokens,
            "norm": norm,
            "bad": bad,
            "streak": streak,
            "updates": updates,
            "seconds": seconds,
        }

    def restore(self, numbers: Mapping[str, Any]) -> None:
        """Goes on from :meth:`numbers`, to the last bit; time in between does not count."""
        for name in ("nll", "norm", "tokens", "bad", "streak", "updates"):
            getattr(self, name).fill_(numbers[name])
        self.started = time.perf_counter() - numbers["seconds"]
