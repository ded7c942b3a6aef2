"""What may come next in an output: lengths, forced prefixes, forbidden words and repetitions.

Rules only strike tokens out: the probability of these is not given to the others, so that scores stay those of the
model.

Shapes: ``N`` sentences, ``R`` live hypotheses of all of them, ``V`` vocabulary, ``T`` tokens so far,
``P`` longest prefix.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Phrase = tuple[int, ...]

FREE = -1
"""Stands for no token in particular where one could be forced; fills a prefix table up."""


Strike = Callable[[Tensor, Tensor, Tensor], None]
"""One rule: sets the log-probabilities (R, V) of what it forbids to -inf, in place.

It depends on nothing but the tokens so far (R, T) and the sentence of each row (R,), so strikes may come in any order.
"""


@dataclass(frozen=True, slots=True)
class Banned:
    """Tokens that no output contains."""

    ids: tuple[int, ...]

    def __call__(self, log_probs: Tensor, tokens: Tensor, sentence: Tensor) -> None:
        """Strikes these tokens out."""
        log_probs[:, self.ids] = -torch.inf


@dataclass(frozen=True, slots=True)
class Bigrams:
    """Pairs of tokens that no output contains."""

    ending: Tensor
    """Class of each token by the way it ends, (V,)."""
    barred: Tensor
    """Which tokens may not follow a token of each class, (E, V); the last row: which may not come first."""

    def __call__(self, log_probs: Tensor, tokens: Tensor, sentence: Tensor) -> None:
        """Strikes out what may not follow the last token."""
        barred = self.barred[self.ending[tokens[:, -1]]] if tokens.shape[1] else self.barred[-1]
        log_probs.masked_fill_(barred, -torch.inf)


@dataclass(frozen=True, slots=True)
class NoRepeatNgram:
    """No n-gram occurs twice in an output (Paulus et al. 2018, §2.5)."""

    order: int

    def __call__(self, log_probs: Tensor, tokens: Tensor, sentence: Tensor) -> None:
        """Strikes out what would complete an n-gram for the second time."""
        if tokens.shape[1] < self.order:
            return
        ngrams = tokens.unfold(1, self.order, 1)  # (R, T - order + 1, order)
        last = tokens[:, tokens.shape[1] - self.order + 1 :].unsqueeze(1)
        row, place = (ngrams[..., :-1] == last).all(-1).nonzero(as_tuple=True)
        log_probs[row, ngrams[row, place, -1]] = -torch.inf


@dataclass(frozen=True, slots=True)
class BlockedPhrases:
    """Phrases that no output contains as whole words."""

    phrases: tuple[Phrase, ...]
    word_start: Tensor
    """Tokens before which a word is complete, (V,)."""
    word_end: Tensor
    """Tokens after which a word begins, whatever comes next, (V,)."""
    longest: Tensor
    """Most tokens of each sentence's output, (N,)."""

    def __call__(self, log_probs: Tensor, tokens: Tensor, sentence: Tensor) -> None:
        """Strikes out what would leave a phrase as it is, all that does not continue its last word."""
        at_last = self.longest[sentence] <= tokens.shape[1] + 1
        for phrase in self.phrases:
            complete = self._ends_with(phrase, len(phrase), tokens)
            log_probs.masked_fill_(complete.unsqueeze(1) & self.word_start, -torch.inf)
            # After the last token that fits there is no continuation, so the phrase must not be completed by it.
            log_probs[at_last & self._ends_with(phrase, len(phrase) - 1, tokens), phrase[-1]] = -torch.inf

    def _ends_with(self, phrase: Phrase, count: int, tokens: Tensor) -> Tensor:
        """Which rows end with the first ``count`` tokens of a phrase, the first of them at a word's beginning, (R,)."""
        start = tokens.shape[1] - count
        if start < 0:
            return torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)
        same = (tokens[:, start:] == torch.tensor(phrase[:count], dtype=torch.long, device=tokens.device)).all(1)
        if start == 0 or self.word_start[phrase[0]]:
            return same
        return same & self.word_end[tokens[:, start - 1]]


@dataclass(frozen=True, slots=True)
class MinLength:
    """No output is shorter."""

    shortest: Tensor
    """Least tokens of each sentence's output, (N,)."""
    eos: int

    def __call__(self, log_probs: Tensor, tokens: Tensor, sentence: Tensor) -> None:
        """Strikes the end mark out of what is too short."""
        log_probs[self.shortest[sentence] > tokens.shape[1], self.eos] = -torch.inf


# Rules that may leave a hypothesis without any token.
_EXHAUSTIVE = (NoRepeatNgram, BlockedPhrases)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What the outputs of N sentences must and must not look like."""

    eos: int
    longest: Tensor
    """Most tokens of each sentence's output, (N,); after that many only the end mark is allowed."""
    prefix: Tensor | None = None
    """Tokens that each output begins with, (N, P), see :func:`prefix_table`."""
    strikes: Sequence[Strike] = ()

    def apply(self, log_probs: Tensor, tokens: Tensor, sentence: Tensor) -> Tensor:
        """Log-probabilities of the next token, changed in place: -inf where it is not allowed.

        Of two rules that contradict each other the later one wins: 1. strikes, the minimum length among them, which
        users ask for as a wish; 2. the forced prefix, which they ask for as a fact; 3. the maximum length, without
        which a search might not end; 4. a hypothesis without any token left ends.

        Args:
            log_probs: (R, V).
            tokens: the output so far, (R, T).
            sentence: the sentence of each row, (R,).
        """
        # 2. and 3. are looked up before 1. strikes out what they force.
        forced = self._forced(tokens.shape[1], sentence)
        rows = (forced != FREE).nonzero().flatten()
        forced = forced[rows]
        values = log_probs[rows, forced]
        may_exhaust = any(isinstance(strike, _EXHAUSTIVE) for strike in self.strikes)
        end = log_probs[:, self.eos].clone() if may_exhaust else None
        for strike in self.strikes:
            strike(log_probs, tokens, sentence)
        if len(rows):
            log_probs[rows] = -torch.inf
            log_probs[rows, forced] = values
        if end is not None:
            exhausted = log_probs.amax(1) == -torch.inf
            log_probs[exhausted, self.eos] = end[exhausted]
        return log_probs

    def _forced(self, step: int, sentence: Tensor) -> Tensor:
        """The token that each row must take, or ``FREE``, (R,)."""
        at_end = self.longest[sentence] <= step
        if self.prefix is None or step >= self.prefix.shape[1]:
            return torch.where(at_end, self.eos, FREE)
        return torch.where(at_end, self.eos, self.prefix[sentence, step])


def prefix_table(prefixes: Sequence[Sequence[int]]) -> Tensor | None:
    """The prefixes of N sentences, (N, P), filled up with ``FREE``; None if all are empty."""
    width = max(map(len, prefixes), default=0)
    if not width:
        return None
    return torch.tensor([[*prefix, *([FREE] * (width - len(prefix)))] for prefix in prefixes])
