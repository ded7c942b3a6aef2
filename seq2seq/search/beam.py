"""Beam search, plain and in diverse groups. A beam of 1 is greedy search.

Shapes: ``N`` sentences, ``G`` groups of each, ``K`` slots of a group before a step, ``W`` after it, ``V`` vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from seq2seq.search.best import best_extensions
from seq2seq.search.decode import decode
from seq2seq.search.hypothesis import Hypothesis, best_first
from seq2seq.search.problem import S, SearchProblem
from seq2seq.search.rules import Scores
from seq2seq.search.slots import Choice, Slots, first_slots


@dataclass(frozen=True, slots=True)
class Beam:
    """Left-to-right beam search (Sutskever et al. 2014, §3.2).

    The extensions of a line compete, whichever hypothesis they extend. A hypothesis that takes the end mark leaves the
    beam and its slot is not filled again, so the beam narrows as outputs are completed, and a sentence is done
    when none is left: that is the stopping criterion. A beam as wide as there are outputs finds them all.

    Groups choose one after the other in each step, and a token costs a group ``diversity`` for each hypothesis of an
    earlier group that has just taken it for the same sentence (Vijayakumar et al. 2018, eq. 5, with Hamming diversity).
    """

    width: int
    """Slots of each group."""
    lines: int = 1
    """Groups."""
    diversity: float = 0.0
    """λ, in nats."""

    @property
    def on_host(self) -> bool:
        """All is chosen on the device."""
        return False

    def choose(self, scores: Scores, slots: Slots[S]) -> Choice:
        """The best extensions of each line, best first, as many as it has room for."""
        shape = len(slots.line) // self.lines, self.lines, slots.total.shape[1]
        total, rows, room = slots.total.view(shape), slots.rows().view(shape), slots.room.view(*shape[:2], 1)
        cost: Tensor | None = None  # (N, V) of each token for the group that chooses
        choices = []
        for group in range(self.lines):
            values, row, base, token, bound = scores.log_probs, rows[:, group], total[:, group], None, None
            if (forced := scores.forced) is not None:
                token = slots.by_slot(forced.token).view(shape)[:, group]
                bound = base + slots.by_slot(forced.log_prob).view(shape)[:, group]
                base = base.masked_fill(slots.by_slot(forced.rows).view(shape)[:, group], -torch.inf)
            if cost is not None:
                values = values.index_select(0, row.flatten()) - cost.repeat_interleave(shape[2], dim=0)
                row = torch.arange(row.numel(), device=row.device).view(row.shape)
                bound = None if token is None or bound is None else bound - cost.gather(1, token)
            best, parent, token = best_extensions(values, row, base, self.width, token, bound)
            best = best.where(torch.arange(best.shape[1], device=best.device) < room[:, group], -torch.inf)
            if cost is not None:
                # Scores have to be the model's own.
                best = best + cost.gather(1, token)
            choices.append(Choice(parent, token, best))
            if group + 1 < self.lines:
                cost = best.new_zeros(len(best), values.shape[1]) if cost is None else cost
                cost = cost.scatter_add(1, token, (best > -torch.inf).to(cost.dtype) * self.diversity)
        if self.lines == 1:
            return choices[0]
        parents, tokens, totals = zip(*((one.parent, one.token, one.total) for one in choices), strict=True)
        return Choice(*(torch.stack(group, dim=1).flatten(0, 1) for group in (parents, tokens, totals)))


def beam_search(problem: SearchProblem[S], *, width: int) -> list[list[Hypothesis]]:
    """Up to ``width`` outputs for each sentence, best first; see :class:`Beam`."""
    outputs = decode(problem, Beam(width), first_slots(problem, lines=1, width=width))
    return list(map(best_first, outputs))


def diverse_beam_search(
    problem: SearchProblem[S], *, width: int, groups: int, diversity: float
) -> list[list[Hypothesis]]:
    """Beams that avoid one another's words; see :class:`Beam`. Each output once, best first.

    Args:
        problem: N sentences.
        width: of all groups together.
        groups: how many, a divisor of ``width``.
        diversity: λ, in nats.
    """
    beam = Beam(width // groups, groups, diversity)
    lines = list(map(best_first, decode(problem, beam, first_slots(problem, lines=groups, width=beam.width))))
    merged = []
    for start in range(0, len(lines), groups):
        unique = {output.tokens: output for outputs in lines[start : start + groups] for output in outputs}
        merged.append(best_first(unique.values()))
    return merged
