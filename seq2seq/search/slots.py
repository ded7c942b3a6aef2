"""The hypotheses of a search between two steps, as tensors of fixed shape.

A line is one beam: the slots in which the hypotheses of a sentence compete. Most searches have one line for each
sentence, diverse groups one for each group.

Shapes: ``N`` sentences, ``L`` lines, ``K`` slots of each line, ``R = L·K`` rows of the state, ``T`` tokens so far.
"""

from dataclasses import dataclass, replace
from typing import Generic

import torch
from torch import Tensor

from seq2seq.search.problem import S, SearchProblem


@dataclass(frozen=True, slots=True)
class Choice:
    """What fills the slots of each line next."""

    parent: Tensor
    """Slot of the hypothesis that each one extends, (L, K)."""
    token: Tensor
    """Its next token, (L, K)."""
    total: Tensor
    """Its log-probability with that token, (L, K); -inf in an empty slot."""


@dataclass(frozen=True, slots=True)
class Slots(Generic[S]):
    """The hypotheses that can be extended; in each line these come first."""

    state: S
    """Before the last tokens are read."""
    token: Tensor
    """The last token of each, (L, K)."""
    total: Tensor
    """Log-probability, (L, K); -inf in an empty slot."""
    room: Tensor
    """How many slots of each line are not taken by complete hypotheses, (L,)."""
    line: Tensor
    """Number of each line at the start, (L,)."""
    step: Tensor
    """How many tokens each has, a scalar."""
    tokens: Tensor | None = None
    """All tokens before the last one, from the begin mark on, for each row of the state; None if no rule looks back."""
    numbers: Tensor | None = None
    """What to draw the tokens of each row with, (R, steps), if they are drawn."""
    row: Tensor | None = None
    """The row of the state that each slot goes on from, (R,); None: each from its own."""
    sources: Tensor | None = None
    """The sentences that are left of those of the state, (N,); None: all."""

    def settled(self) -> "Slots[S]":
        """The same with the rows of the state in the order of the slots."""
        if (row := self.row) is None:
            return self
        return replace(
            self,
            state=self.state.select(row, self.sources),
            tokens=None if self.tokens is None else self.tokens.index_select(0, row),
            numbers=None if self.numbers is None else self.numbers.index_select(0, row),
            row=None,
            sources=None,
        )

    def keep(self, sentences: Tensor, lines: Tensor, width: int) -> "Slots[S]":
        """The same with fewer lines and slots.

        Args:
            sentences: those that stay.
            lines: those of these sentences.
            width: slots that stay in each line, the first ones.
        """
        rows = torch.arange(self.total.numel(), device=lines.device) if self.row is None else self.row
        return replace(
            self,
            token=self.token[lines, :width],
            total=self.total[lines, :width],
            room=self.room[lines],
            line=self.line[lines],
            row=rows.view(self.total.shape)[lines, :width].flatten(),
            sources=sentences,
        )


def first_slots(problem: SearchProblem[S], *, lines: int, width: int, live: int = 1) -> Slots[S]:
    """Before the first step.

    Args:
        problem: N sentences.
        lines: of each sentence.
        width: how many hypotheses of a line may become complete.
        live: slots of each line, each with a hypothesis without any token.
    """
    longest, bos = problem.rules.longest, problem.bos
    count, device = len(longest) * lines, longest.device
    many = lines * live
    return Slots(
        state=problem.state,
        token=torch.full((count, live), bos, device=device),
        total=torch.zeros((count, live), device=device),
        room=torch.full((count,), width, device=device),
        line=torch.arange(count, device=device),
        step=torch.zeros((), dtype=torch.long, device=device),
        tokens=torch.empty((len(longest), 0), dtype=torch.long, device=device) if problem.rules.look_back else None,
        row=None if many == 1 else torch.arange(len(longest), device=device).repeat_interleave(many),
    ).settled()
