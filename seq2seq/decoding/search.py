"""Search for the most probable output: greedy and beam.

Search knows nothing of words, layers or attention. It drives a function ``step(token, state) ->
(logits, state)`` and reorders the state by ``state.select(index)``, nothing else.

Shapes: ``N`` sentences still being decoded, ``K`` beam, ``R`` live hypotheses of all sentences,
``V`` vocabulary, ``T`` tokens so far.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import torch
from torch import Tensor


class Selectable(Protocol):
    """A decoder's state, one row for each hypothesis."""

    def select(self, index: Tensor) -> Self:
        """The rows ``index`` (R,), in that order."""


S = TypeVar("S", bound=Selectable)
Step = Callable[[Tensor, S], tuple[Tensor, S]]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One complete output."""

    tokens: tuple[int, ...]
    """Without the end mark."""
    log_prob: float
    """log p(tokens, end mark | source), in nats."""
    score: float
    """``log_prob`` divided by the length penalty: what hypotheses are ranked by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchOptions:
    """What a search needs to know of the vocabulary and of the user's wishes."""

    bos: int
    eos: int
    banned: tuple[int, ...] = ()
    """Tokens that no output may hold. Their probability is not given to the others."""
    beam: int = 5
    length_penalty: float = 1.0
    """α in ((5 + length) / 6) ** α with the end mark counted (Wu et al. 2016, eq. 14)."""


def search(step: Step[S], state: S, max_lengths: Tensor, options: SearchOptions) -> list[list[Hypothesis]]:
    """The best outputs for each sentence, best first: one if ``options.beam`` is 1, else up to that many.

    Args:
        step: token (R,) and state of R rows → logits (R, V) and the state after that token.
        state: N rows, one for each sentence.
        max_lengths: (N,) most tokens of an output; after that many only the end mark is allowed.
        options: beam, length penalty and special tokens.
    """
    if options.beam == 1:
        return [[hypothesis] for hypothesis in greedy_search(step, state, max_lengths, options)]
    return beam_search(step, state, max_lengths, options)


def greedy_search(step: Step[S], state: S, max_lengths: Tensor, options: SearchOptions) -> list[Hypothesis]:
    """The most probable next token, again and again, until the end mark; see :func:`search`."""
    count, device = len(max_lengths), max_lengths.device
    outputs: dict[int, Hypothesis] = {}
    sentences = torch.arange(count, device=device)  # which sentence each live row belongs to
    token = torch.full((count,), options.bos, device=device)
    tokens = torch.empty((count, 0), dtype=torch.long, device=device)
    log_prob: Tensor | float = 0.0
    while len(sentences):
        logits, state = step(token, state)
        at_limit = max_lengths[sentences] <= tokens.shape[1]
        best, token = _log_probs(logits, at_limit, options).max(dim=1)
        log_prob = log_prob + best
        ended = token == options.eos
        for row in ended.nonzero().flatten().tolist():
            outputs[int(sentences[row])] = _hypothesis(tokens[row], log_prob[row], options)
        live = (~ended).nonzero().flatten()
        tokens = torch.cat([tokens, token.unsqueeze(1)], dim=1)[live]
        token, log_prob, sentences, state = token[live], log_prob[live], sentences[live], state.select(live)
    return [outputs[sentence] for sentence in range(count)]


def beam_search(step: Step[S], state: S, max_lengths: Tensor, options: SearchOptions) -> list[list[Hypothesis]]:
    """Left-to-right beam search (Sutskever et al. 2014, §3.2); see :func:`search`.

    A hypothesis that takes the end mark leaves the beam and its place is not filled again, so the beam
    narrows as outputs are completed, and a sentence is done when none is left. Beam 1 is greedy search;
    a beam as wide as there are outputs finds them all.
    """
    device = max_lengths.device
    outputs: list[list[Hypothesis]] = [[] for _ in max_lengths]
    # Which sentence each live hypothesis extends. Rows stay grouped by sentence, best first within one.
    sentence = torch.arange(len(max_lengths), device=device)
    token = torch.full((len(max_lengths),), options.bos, device=device)
    tokens = torch.empty((len(max_lengths), 0), dtype=torch.long, device=device)
    score: Tensor | float = 0.0
    places = torch.full((len(max_lengths),), options.beam, device=device)  # still open, for each sentence
    while len(sentence):
        logits, state = step(token, state)
        at_limit = max_lengths[sentence] <= tokens.shape[1]
        log_probs = _log_probs(logits, at_limit, options)
        # The K best of a sentence are among the K best of each of its hypotheses.
        best, choice = log_probs.topk(min(options.beam, log_probs.shape[1]), dim=1)
        total = best + (score.unsqueeze(1) if isinstance(score, Tensor) else score)
        parent, column = _best_of_each_sentence(total, sentence, places)
        token, score, sentence = choice[parent, column], total[parent, column], sentence[parent]
        ended = token == options.eos
        for row in ended.nonzero().flatten().tolist():
            outputs[int(sentence[row])].append(_hypothesis(tokens[parent[row]], score[row], options))
        places = places.index_add(0, sentence, -ended.long())
        live = (~ended).nonzero().flatten()
        parent, token, score, sentence = parent[live], token[live], score[live], sentence[live]
        tokens = torch.cat([tokens[parent], token.unsqueeze(1)], dim=1)
        state = state.select(parent)
    return [sorted(found, key=lambda hypothesis: -hypothesis.score) for found in outputs]


def _best_of_each_sentence(total: Tensor, sentence: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of the ``places[n]`` best finite candidates of each sentence n, grouped by sentence.

    Args:
        total: scores of the candidates, (R, C).
        sentence: (R,) sentence of each row, in ascending order.
        places: (N,) how many candidates a sentence may keep.
    """
    rows, columns = total.shape
    # Each sentence's candidates go side by side into one line of a table whose gaps are -inf.
    groups, group = sentence.unique_consecutive(return_inverse=True)
    first = torch.searchsorted(sentence, groups)
    rank = torch.arange(rows, device=total.device) - first[group]
    width = int(rank.max()) + 1
    table = torch.full((len(groups), width, columns), -torch.inf, dtype=total.dtype, device=total.device)
    table[group, rank] = total
    best, flat = table.flatten(1).topk(min(int(places.max()), width * columns), dim=1)
    kept = (torch.arange(best.shape[1], device=total.device) < places[groups].unsqueeze(1)) & (best > -torch.inf)
    line, place = kept.nonzero(as_tuple=True)
    winner = flat[line, place]
    return first[line] + winner // columns, winner % columns


def _log_probs(logits: Tensor, at_limit: Tensor, options: SearchOptions) -> Tensor:
    """Log-probabilities (R, V) of the next token, -inf where it is not allowed."""
    log_probs = torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)
    log_probs[:, options.banned] = -torch.inf
    if at_limit.any():
        end = log_probs[:, options.eos].clone()
        log_probs[at_limit] = -torch.inf
        log_probs[:, options.eos] = end
    return log_probs


def _hypothesis(tokens: Tensor, log_prob: Tensor, options: SearchOptions) -> Hypothesis:
    total = float(log_prob)
    penalty = ((5 + len(tokens) + 1) / 6) ** options.length_penalty
    return Hypothesis(tuple(tokens.tolist()), total, total / penalty)
