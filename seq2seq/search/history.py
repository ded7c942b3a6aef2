"""What was chosen in each step, from which complete hypotheses are rebuilt at the end; without importing torch.

Shapes: ``T`` steps, ``L`` lines at the start, ``K`` most slots, ``E`` complete hypotheses.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from seq2seq.search.hypothesis import Hypothesis, Ranking

Table = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Segment:
    """The choices of several steps for the same lines and as many slots."""

    line: Table
    """Number of each line at the start, (l,)."""
    parent: Table
    """Slot of the hypothesis that each choice extends, (t, l, k)."""
    token: Table
    """Its next token, (t, l, k)."""
    total: Table
    """Its log-probability with that token, (t, l, k); -inf in an empty slot."""


@dataclass(frozen=True, slots=True)
class History:
    """The choices of all steps."""

    lines: int
    """L."""
    segments: list[Segment] = field(default_factory=list)
    """One after the other; lines leave, but none comes."""

    def complete(self, eos: int, ranking: Ranking) -> list[list[Hypothesis]]:
        """The hypotheses of each line that took the end mark, in the order in which they did."""
        parent, token, total = self._tables()
        step, line, slot = np.nonzero((token == eos) & (total > -np.inf))
        # From each end back to the first token, all hypotheses at once. Those with a slot of their own never leave it.
        texts, place = token[:, line, slot].T, line * token.shape[2] + slot
        parent += np.arange(self.lines)[:, None] * token.shape[2]
        for time in range(len(token) - 1, 0, -1) if token.shape[2] > 1 else ():
            place = np.where(step >= time, parent[time].take(place), place)
            texts[:, time - 1] = token[time - 1].take(place)
        found: list[list[Hypothesis]] = [[] for _ in range(self.lines)]
        log_probs = total[step, line, slot].tolist()
        for number, length, text, log_prob in zip(line.tolist(), step.tolist(), texts.tolist(), log_probs, strict=True):
            found[number].append(Hypothesis(tuple(text[:length]), log_prob, ranking.score(log_prob, length)))
        return found

    def _tables(self) -> tuple[Table, Table, Table]:
        """Parents, tokens and log-probabilities, (T, L, K) each; where nothing was chosen the last are -inf."""
        shape = (
            sum(len(segment.token) for segment in self.segments),
            self.lines,
            max((segment.token.shape[2] for segment in self.segments), default=0),
        )
        parent, token = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        total, start = np.full(shape, -np.inf), 0
        for segment in self.segments:
            times = slice(start, start := start + len(segment.token))
            place = times, segment.line, slice(segment.token.shape[2])
            parent[place], token[place], total[place] = segment.parent, segment.token, segment.total
        return parent, token, total
