"""The hypotheses of a search between two steps, as tensors of fixed shape.

A line is one beam: the slots in which the hypotheses of a sentence compete. Most searches have one line for each
sentence, diverse groups one for each group.

Shapes: ``N`` sentences, ``L`` lines, ``K`` slots of each line, ``T`` tokens so far; ``R`` rows of the state, which are
L·K, or fewer where empty slots have none.
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
    slot: Tensor | None = None
    """The slot that each row is for, of the L·K, (R,); None: each slot has a row."""
    sources: Tensor | None = None
    """The sentences that are left of those of the state, (N,); None: all."""

    def rows(self) -> Tensor:
        """The row of each slot, (L, K); of an empty slot perhaps another's."""
        count = self.total.numel() if self.slot is None else len(self.slot)
        number = torch.arange(count, device=self.token.device)
        if self.slot is not None:
            number = torch.zeros_like(self.token).flatten().index_copy(0, self.slot, number)
        return number.view(self.total.shape)

    def by_row(self, values: Tensor) -> Tensor:
        """Values of slots (L, K) to values of rows (R,)."""
        return values.flatten() if self.slot is None else values.flatten().index_select(0, self.slot)

    def by_slot(self, values: Tensor) -> Tensor:
        """Values of rows (R,) to values of slots (L, K); an empty slot perhaps has another's."""
        return (values if self.slot is None else values.index_select(0, self.rows().flatten())).view(self.total.shape)

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

    def packed(self) -> "Slots[S]":
        """The same without rows for empty slots. The host waits for the number of rows."""
        slot = (self.total > -torch.inf).flatten().nonzero().flatten()
        return replace(self, slot=slot, row=slot if self.row is None else self.row.index_select(0, slot))


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
