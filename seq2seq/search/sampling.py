"""Outputs drawn at random from the model.

Shapes: ``N`` sentences, ``D`` draws of each, ``R`` live rows, ``V`` vocabulary, ``T`` longest output.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seq2seq.search.greedy import decode_stepwise
from seq2seq.search.hypothesis import Hypothesis, Ranking, S, Step
from seq2seq.search.rules import Rules


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """Which distribution is drawn from: the model's, sharpened and cut."""

    temperature: float = 1.0
    """Log-probabilities are divided by it."""
    top_k: int = 0
    """Only this many likeliest tokens (Fan et al. 2018, §5.1); 0: all."""
    top_p: float = 1.0
    """Only the fewest tokens that together have this probability (Holtzman et al. 2020, eq. 2-3)."""

    def draw(self, log_probs: Tensor, chance: Tensor) -> Tensor:
        """A token for each row (R,).

        Args:
            log_probs: (R, V), -inf where a token is not allowed.
            chance: (R,), a number from [0, 1) for each.
        """
        ranked, token = torch.softmax(log_probs / self.temperature, dim=-1).sort(dim=1, descending=True, stable=True)
        if self.top_k:
            ranked[:, self.top_k :] = 0
        # A token stays if those before it have not reached p, so that the likeliest always does.
        before = ranked.cumsum(1) - ranked
        ranked = ranked.masked_fill(before >= self.top_p * ranked.sum(1, keepdim=True), 0)
        reached = ranked.cumsum(1)
        place = torch.searchsorted(reached, (chance * reached[:, -1]).unsqueeze(1), right=True)
        # Rounding must not carry a draw past the last token that may be drawn.
        last = (ranked > 0).sum(1, keepdim=True) - 1
        return token.gather(1, torch.minimum(place, last)).squeeze(1)


def sample(
    step: Step[S],
    state: S,
    bos: int,
    rules: Rules,
    ranking: Ranking,
    sampling: Sampling,
    seeds: Sequence[Sequence[int]],
    *,
    draws: int,
) -> list[list[Hypothesis]]:
    """``draws`` outputs for each sentence, best first, repetitions among them.

    Their log-probability is the model's own, whatever distribution they were drawn from.

    Args:
        step: as :func:`seq2seq.search.greedy.greedy_search` takes it.
        state: N rows.
        bos: the begin mark.
        rules: for N sentences.
        ranking: makes scores.
        sampling: the distribution.
        seeds: of each sentence: what is drawn for it does not depend on the others.
        draws: D.
    """
    count, device = len(rules.longest), rules.longest.device
    steps = int(rules.longest.max()) + 1 if count else 0
    # Step by step, so that the first numbers are the same however many follow.
    drawn = [np.random.default_rng(seed).random((steps, draws)).T for seed in seeds]
    chances = torch.tensor(np.array(drawn)).reshape(count * draws, steps).to(device)
    rows = torch.arange(count, device=device).repeat_interleave(draws)

    def pick(log_probs: Tensor, row: Tensor, said: int) -> Tensor:
        return sampling.draw(log_probs, chances[row, said].to(log_probs.dtype))

    found = decode_stepwise(step, state.select(rows), bos, rules.select(rows), ranking, pick)
    groups = [found[start : start + draws] for start in range(0, len(found), draws)]
    return [sorted(group, key=lambda output: -output.score) for group in groups]
