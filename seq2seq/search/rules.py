"""What may come next in an output: lengths, forced prefixes, forbidden words and repetitions.

Rules only strike tokens out: the probability of these is not given to the others, so that scores stay those of the
model.

Shapes: ``N`` sentences, ``R`` rows (hypotheses of all of them), ``V`` vocabulary, ``T`` tokens so far, ``P`` longest
prefix.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

import torch
from torch import Tensor

Phrase = tuple[int, ...]

FREE = -1
"""Stands for no token in particular where one could be forced; fills a prefix table up."""


@dataclass(frozen=True, slots=True)
class Position:
    """What rules know of the rows before a step."""

    sentence: Tensor
    """Of each row, (R,)."""
    last: Tensor
    """The last token of each row, (R,); before the first step the begin mark."""
    step: Tensor
    """How many tokens the rows have, a scalar: on the device, so that a recorded step can count."""
    tokens: Tensor | None
    """All tokens so far, (R, T), if a rule looks back."""


class Strike(Protocol):
    """One rule. It depends on nothing but the position, so strikes may come in any order."""

    def __call__(self, log_probs: Tensor, position: Position) -> None:
        """Sets the log-probabilities (R, V) of what it forbids to -inf, in place."""

    def of(self, sentences: Tensor) -> Self:
        """The rule for some of the sentences."""


class ForAll:
    """A rule that is the same for all sentences."""

    def of(self, sentences: Tensor) -> Self:
        """The same rule."""
        return self


@dataclass(frozen=True, slots=True)
class Banned(ForAll):
    """Tokens that no output contains."""

    ids: tuple[int, ...]

    def __call__(self, log_probs: Tensor, position: Position) -> None:
        """Strikes these tokens out."""
        for token in self.ids:
            log_probs[:, token] = -torch.inf


@dataclass(frozen=True, slots=True)
class Bigrams(ForAll):
    """Pairs of tokens that no output contains."""

    ending: Tensor
    """Class of each token by the way it ends, (V,)."""
    barred: Tensor
    """Which tokens may not follow a token of each class, (E, V); the last row: which may not come first."""

    def __call__(self, log_probs: Tensor, position: Position) -> None:
        """Strikes out what may not follow the last token."""
        ending = torch.where(position.step > 0, self.ending[position.last], len(self.barred) - 1)
        log_probs.masked_fill_(self.barred[ending], -torch.inf)


@dataclass(frozen=True, slots=True)
class NoRepeatNgram(ForAll):
    """No n-gram occurs twice in an output (Paulus et al. 2018, §2.5)."""

    order: int

    def __call__(self, log_probs: Tensor, position: Position) -> None:
        """Strikes out what would complete an n-gram for the second time."""
        tokens = _history(position)
        if tokens.shape[1] < self.order:
            return
        ngrams = tokens.unfold(1, self.order, 1)  # (R, T - order + 1, order)
        last = tokens[:, tokens.shape[1] - self.order + 1 :].unsqueeze(1)
        repeated = (ngrams[..., :-1] == last).all(-1)
        limit = torch.where(repeated, -torch.inf, torch.inf).to(log_probs.dtype)
        log_probs.scatter_reduce_(1, ngrams[..., -1], limit, "amin")


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

    def __call__(self, log_probs: Tensor, position: Position) -> None:
        """Strikes out what would leave a phrase as it is, all that does not continue its last word."""
        tokens = _history(position)
        at_last = self.longest[position.sentence] <= tokens.shape[1] + 1
        for phrase in self.phrases:
            complete = self._ends_with(phrase, len(phrase), tokens)
            log_probs.masked_fill_(complete.unsqueeze(1) & self.word_start, -torch.inf)
            # After the last token that fits there is no continuation, so the phrase must not be completed by it.
            completable = at_last & self._ends_with(phrase, len(phrase) - 1, tokens)
            log_probs[:, phrase[-1]].masked_fill_(completable, -torch.inf)

    def of(self, sentences: Tensor) -> Self:
        """The rule for some of the sentences."""
        return replace(self, longest=self.longest.index_select(0, sentences))

    def _ends_with(self, phrase: Phrase, count: int, tokens: Tensor) -> Tensor:
        """Which rows end with the first ``count`` tokens of a phrase, the first of them at a word's beginning, (R,)."""
        start = tokens.shape[1] - count
        same = torch.full((len(tokens),), start >= 0, device=tokens.device)
        for place in range(count if start >= 0 else 0):
            same = same & (tokens[:, start + place] == phrase[place])
        if start <= 0:
            return same
        return same & (self.word_start[phrase[0]] | self.word_end[tokens[:, start - 1]])


@dataclass(frozen=True, slots=True)
class MinLength:
    """No output is shorter."""

    shortest: Tensor
    """Least tokens of each sentence's output, (N,)."""
    eos: int

    def __call__(self, log_probs: Tensor, position: Position) -> None:
        """Strikes the end mark out of what is too short."""
        short = self.shortest.index_select(0, position.sentence) > position.step
        log_probs[:, self.eos].masked_fill_(short, -torch.inf)

    def of(self, sentences: Tensor) -> Self:
        """The rule for some of the sentences."""
        return replace(self, shortest=self.shortest.index_select(0, sentences))


# Rules that need all tokens so far. They are also those that may leave a hypothesis without any token.
_LOOK_BACK = (NoRepeatNgram, BlockedPhrases)


def _history(position: Position) -> Tensor:
    """The tokens so far, (R, T)."""
    if position.tokens is None:
        raise ValueError("a rule that looks back needs the tokens so far")
    return position.tokens


@dataclass(frozen=True, slots=True)
class Forced:
    """The tokens that some rows have to take."""

    rows: Tensor
    """Which rows these are, (R,)."""
    token: Tensor
    """The token of each, (R,); of another row any."""
    log_prob: Tensor
    """Of that token, (R,); -inf in other rows."""


@dataclass(frozen=True, slots=True)
class Scores:
    """What the next token of each row may be."""

    log_probs: Tensor
    """Of all tokens, (R, V), -inf where one is not allowed; without meaning for a row whose token is forced."""
    forced: Forced | None
    """None: no row's token is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What the outputs of N sentences must and must not look like."""

    eos: int
    longest: Tensor
    """Most tokens of each sentence's output, (N,); after that many only the end mark is allowed."""
    prefix: Tensor | None = None
    """Tokens that each output begins with, (N, P), see :func:`prefix_table`."""
    strikes: Sequence[Strike] = ()

    def of(self, sentences: Tensor) -> Self:
        """The rules for some of the sentences."""
        return replace(
            self,
            longest=self.longest.index_select(0, sentences),
            prefix=None if self.prefix is None else self.prefix.index_select(0, sentences),
            strikes=[strike.of(sentences) for strike in self.strikes],
        )

    def free_steps(self) -> range:
        """The steps in which neither a prefix nor the maximum length forces a token. The host waits for the answer."""
        least = int(self.longest.min()) if len(self.longest) else 0
        return range(0 if self.prefix is None else self.prefix.shape[1], least)

    @property
    def look_back(self) -> bool:
        """Whether a rule needs all tokens so far."""
        return any(isinstance(strike, _LOOK_BACK) for strike in self.strikes)

    def apply(self, log_probs: Tensor, position: Position, *, free: bool = False) -> Scores:
        """What is allowed next.

        Of two rules that contradict each other the later one wins: 1. strikes, the minimum length among them, which
        users ask for as a wish; 2. the forced prefix, which they ask for as a fact; 3. the maximum length, without
        which a search might not end; 4. a hypothesis without any token left ends.

        Args:
            log_probs: (R, V), changed in place.
            position: of the rows.
            free: this is one of the :meth:`free_steps`.
        """
        # 2. and 3. are looked up before 1. strikes out what they force.
        forced = None if free else self._forced(log_probs, position)
        end = log_probs[:, self.eos].clone() if self.look_back else None
        for strike in self.strikes:
            strike(log_probs, position)
        if end is not None:
            exhausted = log_probs.amax(1) == -torch.inf
            if forced is None:
                forced = Forced(exhausted, torch.full_like(position.last, self.eos), end.where(exhausted, -torch.inf))
            else:
                exhausted = exhausted & ~forced.rows
                forced = Forced(
                    forced.rows | exhausted,
                    forced.token.masked_fill(exhausted, self.eos),
                    end.where(exhausted, forced.log_prob),
                )
        return Scores(log_probs, forced)

    def _forced(self, log_probs: Tensor, position: Position) -> Forced:
        """The tokens that prefix and maximum length force."""
        forced = at_end = self.longest.index_select(0, position.sentence) <= position.step
        token = torch.full_like(position.last, self.eos)
        if self.prefix is not None:
            place = position.step.clamp(max=self.prefix.shape[1] - 1)
            begins = self.prefix.index_select(1, place).squeeze(1).index_select(0, position.sentence)
            forced = at_end | ((begins != FREE) & (position.step <= place))
            token = token.where(at_end, begins.clamp(min=0))
        value = log_probs.gather(1, token.unsqueeze(1)).squeeze(1)
        return Forced(forced, token, value.where(forced, -torch.inf))


def prefix_table(prefixes: Sequence[Sequence[int]]) -> Tensor | None:
    """The prefixes of N sentences, (N, P), filled up with ``FREE``; None if all are empty."""
    width = max(map(len, prefixes), default=0)
    if not width:
        return None
    return torch.tensor([[*prefix, *([FREE] * (width - len(prefix)))] for prefix in prefixes])
