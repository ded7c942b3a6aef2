"""What was chosen in each step, from which complete hypotheses are rebuilt at the end.

Shapes: ``T`` steps, ``L`` lines at the start, ``K`` most slots, ``E`` complete hypotheses.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
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
        self._steps: list[tuple[Choice, Tensor]] = []

    def append(self, choice: Choice, line: Tensor) -> None:
        """Adds the choice of one step, for these lines."""
        self._steps.append((choice, line))

    def complete(self, eos: int, ranking: Ranking) -> list[list[Hypothesis]]:
        """The hypotheses of each line that took the end mark, in the order in which they did."""
        parent, token, total = self._tables()
        step, line, slot = np.nonzero((token == eos) & (total > -np.inf))
        # From each end back to the first token, all hypotheses at once.
        texts, place = np.zeros((len(step), len(token)), dtype=np.int64), slot
        for time in range(len(token) - 1, 0, -1):
            begun = step >= time
            place = np.where(begun, parent[time, line, place], place)
            texts[:, time - 1] = token[time - 1, line, place]
        found: list[list[Hypothesis]] = [[] for _ in range(self.lines)]
        log_probs = total[step, line, slot].tolist()
        for number, length, text, log_prob in zip(line.tolist(), step.tolist(), texts.tolist(), log_probs, strict=True):
            found[number].append(Hypothesis(tuple(text[:length]), log_prob, ranking.score(log_prob, length)))
        return found

    def _tables(self) -> tuple[Table, Table, Table]:
        """Parents, tokens and log-probabilities, (T, L, K) each, -inf in what was not there."""
        width = max((choice.token.shape[1] for choice, _ in self._steps), default=0)
        shape = len(self._steps), self.lines, width
        parent, token = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        total = np.full(shape, -np.inf)
        for time, (choice, line) in enumerate(self._steps):
            place = time, line.cpu().numpy(), slice(choice.token.shape[1])
            parent[place], token[place] = choice.parent.cpu().numpy(), choice.token.cpu().numpy()
            total[place] = choice.total.cpu().numpy()
        return parent, token, total
