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
        row = None if slots.slot is None else slots.rows()
        forced = bound = None
        base = slots.total
        if scores.forced is not None:
            forced = slots.by_slot(scores.forced.token)
            bound = base + slots.by_slot(scores.forced.log_prob)
            base = base.masked_fill(slots.by_slot(scores.forced.rows), -torch.inf)
        if self.lines == 1:
            best, parent, token = best_extensions(scores.log_probs, row, base, self.width, forced, bound)
            # In a line of one slot there is room, or no hypothesis.
            return Choice(parent, token, best if self.width == 1 else _within(best, slots.room))
        return self._choose_in_turn(scores.log_probs, slots, base, forced, bound)

    def _choose_in_turn(
        self, log_probs: Tensor, slots: Slots[S], base: Tensor, forced: Tensor | None, bound: Tensor | None
    ) -> Choice:
        """The choice of several groups, each of which avoids what those before it have just taken.

        Args:
            log_probs: of the tokens in each row, (R, V).
            slots: the hypotheses.
            base: log-probability of each, (N·G, K); -inf where its token is forced.
            forced: that token, (N·G, K).
            bound: log-probability with that token, (N·G, K).
        """
        shape = len(base) // self.lines, self.lines, base.shape[1]
        rows, room = slots.rows().view(shape), slots.room.view(shape[:2])
        cost = base.new_zeros(shape[0], log_probs.shape[1])  # (N, V) of each token for the group that chooses
        choices = []
        for group in range(self.lines):
            totals, token, ends = (
                None if table is None else table.view(shape)[:, group] for table in (base, forced, bound)
            )
            assert totals is not None
            values = log_probs.index_select(0, rows[:, group].flatten()) - cost.repeat_interleave(shape[2], dim=0)
            ends = None if token is None or ends is None else ends - cost.gather(1, token)
            best, parent, token = best_extensions(values, None, totals, self.width, token, ends)
            # Scores have to be the model's own.
            best = _within(best, room[:, group]) + cost.gather(1, token)
            choices.append(Choice(parent, token, best))
            cost = cost.scatter_add(1, token, (best > -torch.inf).to(cost.dtype) * self.diversity)
        fields = zip(*((one.parent, one.token, one.total) for one in choices), strict=True)
        return Choice(*(torch.stack(field, dim=1).flatten(0, 1) for field in fields))


def _within(best: Tensor, room: Tensor) -> Tensor:
    """The values of extensions (L, W), -inf beyond the room of each line, (L,)."""
    return best.where(torch.arange(best.shape[1], device=best.device) < room.unsqueeze(1), -torch.inf)


def beam_search(problem: SearchProblem[S], *, width: int) -> list[list[Hypothesis]]:
    """Up to ``width`` outputs for each sentence, best first; see :class:`Beam`."""
    history = problem.whole_search and problem.whole_search(problem.state, problem.rules, width)
    if history:
        outputs = history.complete(problem.rules.eos, problem.ranking)
    else:
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
