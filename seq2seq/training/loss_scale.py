"""Loss scaling, which keeps the small gradients of half precision from vanishing."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

_START, _GROWTH, _BACKOFF = 2.0**16, 2.0, 0.5
_INTERVAL = 2000


class LossScale:
    """A factor of the loss, and so of every gradient, that adapts itself (Micikevicius et al. 2018, §3.2).

    It halves after a gradient that is not finite, and doubles after 2,000 in a row that are. Unlike that of torch's
    ``GradScaler`` the whole state stays on the device, so that no update waits for it.

    Args:
        device: of the loss.
        enabled: only fp16 needs it; without it the factor is 1 for ever.

    Attributes:
        factor: a float32 scalar.
    """

    def __init__(self, device: torch.device, *, enabled: bool) -> None:
        self.enabled = enabled
        self.factor = torch.full((), _START if enabled else 1.0, device=device)
        self._good = torch.zeros((), dtype=torch.int32, device=device)

    def scale(self, loss: Tensor) -> Tensor:
        """The loss to take the gradient of."""
        return loss * self.factor.to(loss.device) if self.enabled else loss

    def update(self, bad: Tensor) -> None:
        """Adapts the factor after an update; ``bad`` is 1.0 if its gradient was not finite, else 0.0."""
        if self.enabled:
            torch._amp_update_scale_(self.factor, self._good, bad, _GROWTH, _BACKOFF, _INTERVAL)

    def numbers(self) -> dict[str, float]:
        """The state as a checkpoint holds it; empty where there is none. The host waits for the device here."""
        return {"scale": float(self.factor), "_growth_tracker": int(self._good)} if self.enabled else {}

    def restore(self, numbers: Mapping[str, Any]) -> None:
        """Goes on from :meth:`numbers`; where they are empty the state stays as it is."""
        if numbers and self.enabled:
            self.factor.fill_(numbers["scale"])
            self._good.fill_(numbers["_growth_tracker"])
