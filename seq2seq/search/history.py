"""What was chosen in each step, from which complete hypotheses are rebuilt at the end.

Shapes: ``T`` steps, ``L`` lines at the start, ``K`` most slots, ``E`` complete hypotheses.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from seq2seq.search.hypothesis import Hypothesis, Ranking
from seq2seq.search.slots import Choice

Table = npt.NDArray[Any]


class History:
    """The choices of all steps, left on the device until all are made.

    Args:
        lines: L.
    """

    def __init__(self, lines: int) -> None:
        self.lines = lines
        # Choices of as many lines and slots are read together; lines leave, but none comes.
        self._segments: list[tuple[Tensor, list[Choice]]] = []

    def append(self, choice: Choice, line: Tensor) -> None:
        """Adds the choice of one step, for these lines."""
        if self._segments:
            choices = self._segments[-1][1]
            if choices[-1].token.shape == choice.token.shape:
                choices.append(choice)
                return
        self._segments.append((line, [choice]))

    def complete(self, eos: int, ranking: Ranking) -> list[list[Hypothesis]]:
        """The hypotheses of each line that took the end mark, in the order in which they did."""
        parent, token, total = self._tables()
        step, line, slot = np.nonzero((token == eos) & (total > -np.inf))
        # From each end back to the first token, all hypotheses at once.
        texts, place = np.zeros((len(step), len(token)), dtype=np.int64), slot
        for time in range(len(token) - 1, 0, -1):
            place = np.where(step >= time, parent[time, line, place], place)
            texts[:, time - 1] = token[time - 1, line, place]
        found: list[list[Hypothesis]] = [[] for _ in range(self.lines)]
        log_probs = total[step, line, slot].tolist()
        for number, length, text, log_prob in zip(line.tolist(), step.tolist(), texts.tolist(), log_probs, strict=True):
            found[number].append(Hypothesis(tuple(text[:length]), log_prob, ranking.score(log_prob, length)))
        return found

    def _tables(self) -> tuple[Table, Table, Table]:
        """Parents, tokens and log-probabilities, (T, L, K) each; where nothing was chosen the last are -inf."""
        steps = sum(len(choices) for _, choices in self._segments)
        shape = steps, self.lines, max((choices[0].token.shape[1] for _, choices in self._segments), default=0)
        parent, token = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        total, start = np.full(shape, -np.inf), 0
        for line, choices in self._segments:
            times = slice(start, start := start + len(choices))
            place = times, line.cpu().numpy(), slice(choices[0].token.shape[1])
            parent[place] = torch.stack([choice.parent for choice in choices]).cpu().numpy()
            token[place] = torch.stack([choice.token for choice in choices]).cpu().numpy()
            total[place] = torch.stack([choice.total for choice in choices]).cpu().numpy()
        return parent, token, total
