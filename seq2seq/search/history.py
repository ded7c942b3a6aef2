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
        # Choices of several steps (T, L, K) of the same lines and as many slots; lines leave, but none comes.
        self._segments: list[tuple[Tensor, list[Choice]]] = []

    def append(self, choice: Choice, line: Tensor) -> None:
        """Adds the choice of one step, for these lines."""
        self.extend(Choice(*(values.unsqueeze(0) for values in (choice.parent, choice.token, choice.total))), line)

    def extend(self, choices: Choice, line: Tensor) -> None:
        """Adds the choices of several steps, (T, L, K) each."""
        if self._segments:
            known = self._segments[-1][1]
            if known[-1].token.shape[1:] == choices.token.shape[1:]:
                known.append(choices)
                return
        self._segments.append((line, [choices]))

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
        shape = (
            sum(len(choices.token) for _, many in self._segments for choices in many),
            self.lines,
            max((many[0].token.shape[2] for _, many in self._segments), default=0),
        )
        parent, token = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        total, start = np.full(shape, -np.inf), 0
        for line, many in self._segments:
            times = slice(start, start := start + sum(len(choices.token) for choices in many))
            place = times, line.cpu().numpy(), slice(many[0].token.shape[2])
            parent[place] = torch.cat([choices.parent for choices in many]).cpu().numpy()
            token[place] = torch.cat([choices.token for choices in many]).cpu().numpy()
            total[place] = torch.cat([choices.total for choices in many]).cpu().numpy()
        return parent, token, total
