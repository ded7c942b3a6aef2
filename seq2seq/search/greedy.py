"""One hypothesis for each sentence, token by token: greedy search, and the loop that it shares with sampling.

Shapes: ``N`` sentences, ``R`` live rows, ``V`` vocabulary, ``T`` tokens so far.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from seq2seq.search.hypothesis import Hypothesis, best_tokens, log_softmax
from seq2seq.search.problem import S, SearchProblem

Pick = Callable[[Tensor, Tensor, int], Tensor]
"""From log-probabilities (R, V), the number of each row (R,) and the step to the token that each row takes, (R,)."""


def greedy_search(problem: SearchProblem[S]) -> list[Hypothesis]:
    """The most probable next token, again and again, until the end mark."""
    sentence = torch.arange(len(problem.rules.longest), device=problem.rules.longest.device)
    return decode_stepwise(problem, sentence, lambda log_probs, _, __: best_tokens(log_probs, 1)[1][:, 0])


def decode_stepwise(problem: SearchProblem[S], sentence: Tensor, pick: Pick) -> list[Hypothesis]:
    """One hypothesis for each row of the state.

    Args:
        problem: its state may have several rows for a sentence.
        sentence: of each row, (R,).
        pick: chooses the next tokens.
    """
    state, rules, count = problem.state, problem.rules, len(sentence)
    complete: dict[int, Hypothesis] = {}
    number = torch.arange(count, device=sentence.device)  # (R,) of each live row at the start
    token = torch.full_like(sentence, problem.bos)  # (R,)
    tokens = sentence.new_empty((count, 0))  # (R, T)
    total: Tensor | float = 0.0  # (R,) log-probabilities
    while len(number):
        logits, state = problem.step(token, state)
        log_probs = rules.apply(log_softmax(logits), tokens, sentence)
        token = pick(log_probs, number, tokens.shape[1])
        total = total + log_probs.gather(1, token.unsqueeze(1)).squeeze(1)
        ended = token == rules.eos
        if not ended.any():
            tokens = torch.cat([tokens, token.unsqueeze(1)], dim=1)
            continue
        for row in ended.nonzero().flatten().tolist():
            complete[int(number[row])] = problem.ranking.complete(tokens[row], total[row])
        live = (~ended).nonzero().flatten()
        tokens = torch.cat([tokens, token.unsqueeze(1)], dim=1)[live]
        token, total, number, sentence = token[live], total[live], number[live], sentence[live]
        state = state.select(live)
    return [complete[row] for row in range(count)]
