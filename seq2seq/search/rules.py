"""What may come next in an output: lengths, forced beginnings, forbidden words and repetitions.

Rules only strike tokens out; the probability of what is struck out is not given to the others, so that scores stay
those of the model.

Shapes: ``N`` sentences, ``R`` live hypotheses of all of them, ``V`` vocabulary, ``T`` tokens so far,
``P`` longest prefix.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

NO_PREFIX = -1
"""Fills the places of a prefix table after a prefix's end."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What the outputs of a batch must and must not look like."""

    eos: int
    longest: Tensor
    """Most tokens of each sentence's output, (N,); after that many only the end mark is allowed."""
    shortest: Tensor | None = None
    """Least tokens, (N,)."""
    banned: tuple[int, ...] = ()
    """Tokens that no output may hold."""
    prefix: Tensor | None = None
    """Tokens that each output begins with, (N, P), filled up with ``NO_PREFIX``."""
    no_repeat_ngram: int = 0
    """No run of this many tokens comes twice in an output (Paulus et al. 2018, §2.5); 0: it may."""
    forbidden_bigrams: tuple[Tensor, Tensor] | None = None
    """What each token ends in, (V,), and which may not follow what, (E, V); the last row: which may not come first."""
    blocked: tuple[tuple[int, ...], ...] = ()
    """Ways to write words that no output may hold."""
    word_start: Tensor | None = None
    """Tokens before which a word is complete, (V,); needed to block words without blocking longer ones."""
    word_end: Tensor | None = None
    """Tokens after which a word begins, whatever comes next, (V,); likewise."""

    def apply(self, log_probs: Tensor, tokens: Tensor, sentence: Tensor) -> Tensor:
        """Log-probabilities of the next token, changed in place: -inf where it is not allowed.

        A forced beginning goes before all other rules. A hypothesis that could not go on at all may end.

        Args:
            log_probs: (R, V).
            tokens: what was said so far, (R, T).
            sentence: which sentence each row belongs to, (R,).
        """
        said = tokens.shape[1]
        end = log_probs[:, self.eos].clone()
        forced, begin = self._beginnings(log_probs, sentence, said)
        log_probs[:, self.banned] = -torch.inf
        if self.forbidden_bigrams is not None:
            ending, barred = self.forbidden_bigrams
            log_probs.masked_fill_(barred[ending[tokens[:, -1]]] if said else barred[-1], -torch.inf)
        if self.no_repeat_ngram:
            _strike_repetitions(log_probs, tokens, self.no_repeat_ngram)
        for phrase in self.blocked:
            self._strike_ends_of(phrase, log_probs, tokens, sentence)
        if self.shortest is not None:
            log_probs[self.shortest[sentence] > said, self.eos] = -torch.inf
        # Nothing else forbids what is forced.
        rows = (forced != NO_PREFIX).nonzero().flatten()
        log_probs[rows] = -torch.inf
        log_probs[rows, forced[rows]] = begin[rows]
        over = self.longest[sentence] <= said
        if over.any():
            log_probs[over] = -torch.inf
            log_probs[over, self.eos] = end[over]
        if self._may_get_stuck:
            stuck = log_probs.amax(1) == -torch.inf
            log_probs[stuck, self.eos] = end[stuck]
        return log_probs

    def select(self, index: Tensor) -> "Rules":
        """The rules of the sentences ``index``."""
        return replace(
            self,
            longest=self.longest[index],
            shortest=None if self.shortest is None else self.shortest[index],
            prefix=None if self.prefix is None else self.prefix[index],
        )

    @property
    def _may_get_stuck(self) -> bool:
        return bool(self.no_repeat_ngram or self.blocked)

    def _beginnings(self, log_probs: Tensor, sentence: Tensor, said: int) -> tuple[Tensor, Tensor]:
        """The forced next token of each row or ``NO_PREFIX``, and its log-probability before anything is struck out."""
        if self.prefix is None or said >= self.prefix.shape[1]:
            return torch.full_like(sentence, NO_PREFIX), log_probs[:, self.eos]
        forced = self.prefix[sentence, said]
        return forced, log_probs.gather(1, forced.clamp(min=0).unsqueeze(1)).squeeze(1)

    def _strike_ends_of(self, phrase: Sequence[int], log_probs: Tensor, tokens: Tensor, sentence: Tensor) -> None:
        """Where a row ends with a blocked phrase, its last word may only go on to become another word."""
        if self.word_start is not None:
            complete = self._ends_with(tokens, phrase, phrase)
            log_probs.masked_fill_(complete.unsqueeze(1) & self.word_start, -torch.inf)
        # With the last token it would be too late to go on.
        last = (self.longest[sentence] <= tokens.shape[1] + 1) & self._ends_with(tokens, phrase[:-1], phrase)
        log_probs[last, phrase[-1]] = -torch.inf

    def _ends_with(self, tokens: Tensor, beginning: Sequence[int], phrase: Sequence[int]) -> Tensor:
        """Which rows (R, T) end with the beginning of a phrase, and that with the beginning of a word, (R,)."""
        start = tokens.shape[1] - len(beginning)
        if start < 0:
            return torch.zeros(len(tokens), dtype=torch.bool, device=tokens.device)
        same = (tokens[:, start:] == torch.tensor(beginning, dtype=torch.long, device=tokens.device)).all(1)
        if start == 0 or self.word_start is None or self.word_end is None or self.word_start[phrase[0]]:
            return same
        return same & self.word_end[tokens[:, start - 1]]


def prefix_table(prefixes: Sequence[Sequence[int]]) -> Tensor | None:
    """Forced beginnings as :class:`Rules` takes them; None if there are none."""
    width = max(map(len, prefixes), default=0)
    if not width:
        return None
    return torch.tensor([[*prefix, *([NO_PREFIX] * (width - len(prefix)))] for prefix in prefixes])


def _strike_repetitions(log_probs: Tensor, tokens: Tensor, order: int) -> None:
    """Strikes out what would say a run of ``order`` tokens for the second time."""
    said = tokens.shape[1]
    if said < order:
        return
    before = tokens.unfold(1, order, 1)  # every run so far, (R, T - order + 1, order)
    last = tokens[:, said - order + 1 :].unsqueeze(1)
    again = (before[..., :-1] == last).all(-1)
    row, place = again.nonzero(as_tuple=True)
    log_probs[row, before[row, place, -1]] = -torch.inf
