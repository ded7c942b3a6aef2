"""One hypothesis a sentence, token by token: greedy search, and what sampling has in common with it.

Shapes: ``N`` sentences, ``R`` those still being decoded, ``V`` vocabulary, ``T`` tokens so far.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from seq2seq.search.hypothesis import Hypothesis, Ranking, S, Step, best_tokens, hypothesis, log_softmax
from seq2seq.search.rules import Rules

Pick = Callable[[Tensor, Tensor, int], Tensor]
"""From log-probabilities (R, V), the number of each row and the step to the token that each row takes, (R,)."""


def greedy_search(step: Step[S], state: S, bos: int, rules: Rules, ranking: Ranking) -> list[Hypothesis]:
    """The most probable next token, again and again, until the end mark.

    Args:
        step: token (R,) and state of R rows → logits (R, V) and the state after that token.
        state: N rows, one for each sentence.
        bos: the begin mark.
        rules: for N sentences.
        ranking: makes scores.
    """
    return decode_stepwise(
        step, state, bos, rules, ranking, lambda log_probs, _, __: best_tokens(log_probs, 1)[1][:, 0]
    )


def decode_stepwise(step: Step[S], state: S, bos: int, rules: Rules, ranking: Ranking, pick: Pick) -> list[Hypothesis]:
    """One output for each sentence, token by token as ``pick`` says; see :func:`greedy_search`."""
    count, device = len(rules.longest), rules.longest.device
    outputs: dict[int, Hypothesis] = {}
    sentence = torch.arange(count, device=device)  # which sentence each live row belongs to
    token = torch.full((count,), bos, device=device)
    tokens = torch.empty((count, 0), dtype=torch.long, device=device)
    total: Tensor | float = 0.0
    while len(sentence):
        logits, state = step(token, state)
        log_probs = rules.apply(log_softmax(logits), tokens, sentence)
        token = pick(log_probs, sentence, tokens.shape[1])
        total = total + log_probs.gather(1, token.unsqueeze(1)).squeeze(1)
        ended = token == rules.eos
        if not ended.any():
            tokens = torch.cat([tokens, token.unsqueeze(1)], dim=1)
            continue
        for row in ended.nonzero().flatten().tolist():
            outputs[int(sentence[row])] = hypothesis(tokens[row], total[row], ranking)
        live = (~ended).nonzero().flatten()
        tokens = torch.cat([tokens, token.unsqueeze(1)], dim=1)[live]
        token, total, sentence, state = token[live], total[live], sentence[live], state.select(live)
    return [outputs[number] for number in range(count)]
