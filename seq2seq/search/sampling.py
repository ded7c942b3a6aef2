"""Outputs drawn at random from the model.

Shapes: ``N`` sentences, ``D`` draws of each, ``K`` of them that go on, ``R`` rows, ``V`` vocabulary, ``T`` longest
output.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from seq2seq.search.decode import decode
from seq2seq.search.hypothesis import Hypothesis, best_first
from seq2seq.search.problem import S, SearchProblem
from seq2seq.search.rules import Scores
from seq2seq.search.slots import Choice, Slots, first_slots


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """The distribution to draw from: the model's, sharpened and truncated."""

    temperature: float = 1.0
    """Log-probabilities are divided by it."""
    top_k: int = 0
    """Only this many likeliest tokens (Fan et al. 2018, §5.1); 0: all."""
    top_p: float = 1.0
    """Only the fewest tokens that together have this probability (Holtzman et al. 2020, eq. 2-3)."""

    @property
    def lines(self) -> int:
        """The draws of a sentence are the slots of one line."""
        return 1

    @property
    def on_host(self) -> bool:
        """A draw is made on the device."""
        return False

    def choose(self, scores: Scores, slots: Slots[S]) -> Choice:
        """A token for each draw, which stays in its slot."""
        if slots.numbers is None:
            raise ValueError("draws need numbers")
        # A recording may make some steps more than there are numbers, when all is done.
        place = slots.step.clamp(max=slots.numbers.shape[1] - 1)
        uniform = slots.numbers.index_select(1, place).squeeze(1).to(scores.log_probs.dtype)
        token = self.draw(scores.log_probs, uniform)
        log_prob = scores.log_probs.gather(1, token.unsqueeze(1)).squeeze(1)
        if (forced := scores.forced) is not None:
            token, log_prob = forced.token.where(forced.rows, token), forced.log_prob.where(forced.rows, log_prob)
        total = slots.total + slots.by_slot(log_prob)
        parent = torch.arange(total.shape[1], device=total.device).expand_as(total)
        return Choice(parent, slots.by_slot(token), total)

    def draw(self, log_probs: Tensor, uniform: Tensor) -> Tensor:
        """A token for each row (R,), by inversion of the distribution over tokens ranked by probability.

        Args:
            log_probs: (R, V), -inf where a token is not allowed.
            uniform: (R,), a random number from [0, 1) for each.
        """
        ranked, token = torch.softmax(log_probs / self.temperature, dim=-1).sort(dim=1, descending=True, stable=True)
        if self.top_k:
            ranked[:, self.top_k :] = 0
        # A token stays if those before it have not reached p, so that the likeliest always does.
        before = ranked.cumsum(1) - ranked
        ranked = ranked.masked_fill(before >= self.top_p * ranked.sum(1, keepdim=True), 0)
        cumulative = ranked.cumsum(1)
        rank = torch.searchsorted(cumulative, (uniform * cumulative[:, -1]).unsqueeze(1), right=True)
        # Rounding must not carry a draw past the last token that may be drawn. Where none may, one is forced.
        last = ((ranked > 0).sum(1, keepdim=True) - 1).clamp(min=0)
        return token.gather(1, torch.minimum(rank, last)).squeeze(1)


def sample(
    problem: SearchProblem[S], sampling: Sampling, seeds: Sequence[Sequence[int]], *, draws: int
) -> list[list[Hypothesis]]:
    """``draws`` outputs for each sentence, best first; some may be the same.

    Their log-probability is the model's own, whatever distribution they were drawn from.

    Args:
        problem: N sentences.
        sampling: the distribution.
        seeds: one for each sentence, so that its draws do not depend on the other sentences.
        draws: D.
    """
    longest = problem.rules.longest
    steps = int(longest.max()) + 1 if len(longest) else 0
    # Step by step, so that the first numbers are the same however many follow.
    uniforms = [np.random.default_rng(seed).random((steps, draws)).T for seed in seeds]
    uniform = torch.tensor(np.array(uniforms)).reshape(len(longest) * draws, steps).to(longest.device)  # (N·D, T + 1)
    slots = first_slots(problem, lines=1, width=draws, live=draws)
    return list(map(best_first, decode(problem, sampling, replace(slots, numbers=uniform))))
