"""One step of every search: the model's step, the rules, a choice, and what becomes of it.

Nothing in it makes the host wait for a GPU, unless the method of choosing says so.

Shapes: ``N`` sentences, ``L`` lines, ``K`` slots of each before a step, ``K'`` after it, ``R`` rows, ``V``
vocabulary.
"""

from dataclasses import replace
from typing import Protocol

import torch

from seq2seq.search.hypothesis import log_softmax
from seq2seq.search.problem import S, SearchProblem
from seq2seq.search.rules import Position, Scores
from seq2seq.search.slots import Choice, Slots


class Method(Protocol):
    """How the next tokens are chosen."""

    @property
    def lines(self) -> int:
        """Lines of each sentence."""

    @property
    def on_host(self) -> bool:
        """Whether the host takes part, so that a step cannot be recorded."""

    def choose(self, scores: Scores, slots: Slots[S]) -> Choice:
        """What fills the slots next, (L, K') each.

        Args:
            scores: of the next tokens of R rows.
            slots: the hypotheses to be extended.
        """


def advance(
    problem: SearchProblem[S], method: Method, slots: Slots[S], *, free: bool = False
) -> tuple[Slots[S], Choice]:
    """Extends all hypotheses by one token.

    Args:
        problem: N sentences.
        method: how to choose.
        slots: the hypotheses.
        free: no token is forced in this step, see :meth:`Rules.free_steps`.

    Returns:
        The slots after this step, and what was chosen, complete hypotheses last.
    """
    slots, eos = slots.settled(), problem.rules.eos
    width = slots.total.shape[1]
    # 1. The model reads the last tokens and scores the next ones, (R, V).
    last = slots.by_row(slots.token)
    logits, state = problem.step(last, slots.state)

    # 2. The rules strike some out and force others.
    tokens = None if slots.tokens is None else torch.cat([slots.tokens, last.unsqueeze(1)], dim=1)
    sentence = slots.line if method.lines == 1 else slots.line // method.lines
    sentence = slots.by_row(sentence.unsqueeze(1).expand(-1, width))
    position = Position(sentence, last, slots.step, None if tokens is None else tokens[:, 1:])
    choice = method.choose(problem.rules.apply(log_softmax(logits), position, free=free), slots)

    # 3. A hypothesis with the end mark is complete. Its slot is not filled again, or worse and worse outputs would.
    filled = choice.total > -torch.inf  # not so if it is not a number
    live = filled & (choice.token != eos)
    room = slots.room - (filled ^ live).sum(1)
    total, row = choice.total.where(live, -torch.inf), None

    # 4. Live hypotheses come first, so that empty slots at the end can be cut off.
    if (width, total.shape[1]) != (1, 1) or slots.slot is not None:
        total, order = total.sort(dim=1, descending=True, stable=True)
        choice = Choice(*(values.gather(1, order) for values in (choice.parent, choice.token, choice.total)))
        row = slots.rows().gather(1, choice.parent).flatten()
    step, token = slots.step + 1, choice.token
    slots = replace(
        slots, state=state, token=token, total=total, room=room, step=step, tokens=tokens, row=row, slot=None
    )
    return slots, choice
