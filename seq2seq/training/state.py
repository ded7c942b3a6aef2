"""What a training remembers of itself: where it stands, and sums for the next line of its log."""

import time
from dataclasses import dataclass, field

import torch
from torch import Tensor


@dataclass(slots=True)
class TrainerState:
    """Where training stands: all plain numbers, kept in checkpoints and the same in every process."""

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
    oom_cells: int = 0
    """Cells of the smallest piece of a batch that memory had no room for; 0: there was room for all."""


@dataclass(slots=True)
class Window:
    """Sums since the last line of the log; tensors, so that no step waits for the device."""

    nll: Tensor | float = 0.0
    """Of this process's own batches; all else here is of all."""
    tokens: Tensor | int = 0
    norm: Tensor | float = 0.0
    bad: Tensor | float = 0.0
    """Updates that were left out because the gradient was not finite."""
    streak: Tensor | float = 0.0
    """How many of the newest updates in a row were."""
    updates: int = 0
    started: float = field(default_factory=time.perf_counter)

    def add(self, nll: Tensor, tokens: int, norm: Tensor, bad: Tensor) -> None:
        """One more update; of a bad one (``bad`` = 1) nothing but its number."""
        good = bad == 0
        self.nll = self.nll + torch.where(good, nll, 0.0)
        self.norm = self.norm + torch.where(good, norm, 0.0)
        self.tokens = self.tokens + torch.where(good, tokens, 0)
        self.bad = self.bad + bad
        self.streak = (self.streak + 1) * bad
        self.updates += 1
