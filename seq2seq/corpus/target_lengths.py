"""How long targets are by the length of their sources, which limits outputs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Source lengths are grouped from one power of √2 to the next, so that a group has enough pairs and a table few entries.
_GROWTH = 2**0.5
# Share of a group's targets that decides: one freak among a thousand does not.
_SHARE = 0.999
# Room beyond them: half as much again and a few tokens, since test sentences go further than training ones.
_FACTOR, _TOKENS = 1.5, 5


@dataclass(frozen=True, slots=True)
class TargetLengths:
    """Most tokens of an output for each length of a source, as the training part suggests."""

    limits: tuple[tuple[int, int], ...]
    """Longest source of each group and most tokens of its outputs; both increase."""

    @classmethod
    def of(cls, src: npt.NDArray[np.int32], tgt: npt.NDArray[np.int32]) -> "TargetLengths":
        """Measures them.

        Args:
            src: tokens of each training source, (N,), at least one.
            tgt: tokens of each target, (N,).
        """
        limits, most, previous = [], 0.0, 0
        longest, edge = int(src.max()), 1.0
        while previous < longest:
            upto = min(int(edge), longest)
            group = tgt[(src > previous) & (src <= upto)]
            if len(group):
                most = max(most, float(np.quantile(group, _SHARE, method="higher")))
                limits.append((upto, int(_FACTOR * most) + _TOKENS))
            previous, edge = upto, edge * _GROWTH
        return cls(tuple(limits))

    @classmethod
    def read(cls, content: Sequence[Sequence[int]]) -> "TargetLengths":
        """From JSON, as a run's manifest holds them."""
        return cls(tuple((source, most) for source, most in content))

    def most(self, size: int) -> int:
        """Most tokens of an output for a source of ``size`` tokens; beyond the longest source in proportion."""
        for upto, most in self.limits:
            if size <= upto:
                return most
        return -(-most * size // upto)
