"""Choices that the host has not read yet.

Shapes: ``T`` steps, ``L`` lines, ``K`` slots.
"""

import torch
from torch import Tensor

from seq2seq.search.history import History, Segment
from seq2seq.search.slots import Choice


class Pending:
    """The choices of all steps, left on the device until all are made.

    Args:
        lines: at the start.
    """

    def __init__(self, lines: int) -> None:
        self._lines = lines
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

    def history(self) -> History:
        """The choices, read by the host, which waits for them."""
        history = History(self._lines)
        for line, many in self._segments:
            columns = zip(*((one.parent, one.token, one.total) for one in many), strict=True)
            history.segments.append(Segment(*(values.cpu().numpy() for values in (line, *map(torch.cat, columns)))))
        return history
