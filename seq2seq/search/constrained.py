"""Beam search whose outputs contain required phrases.

Post & Vilar 2018: the slots of a sentence are shared out among hypotheses that contain 0, 1, … of the required
tokens, so that one which begins with a required word is not pushed out by likelier ones without any. A hypothesis
may end when nothing is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seq2seq.search.beam import Beam
from seq2seq.search.hypothesis import Hypothesis, best_tokens
from seq2seq.search.problem import S, SearchProblem
from seq2seq.search.rules import Phrase


@dataclass(frozen=True, slots=True)
class PhraseProgress:
    """How much of the required phrases a hypothesis contains."""

    missing: tuple[Phrase, ...]
    """Phrases that it does not contain in full."""
    begun: Phrase = ()
    """Its last tokens, as far as a missing phrase begins with them; () between phrases."""
    completed: Phrase = ()
    """The phrase that its last token has completed, which the next token may make another word of."""

    @property
    def remaining(self) -> int:
        """Required tokens that are still to come."""
        return sum(map(len, self.missing)) - len(self.begun)

    def next_tokens(self) -> set[int]:
        """Tokens that continue a phrase, or begin one where none is begun."""
        count = len(self.begun)
        return {phrase[count] for phrase in self.missing if phrase[:count] == self.begun}

    def after(self, token: int, *, inside: bool = False) -> "PhraseProgress":
        """The progress with one more token, which may continue a word (``inside``).

        A phrase that is broken off falls back to the longest suffix that begins a phrase (Knuth, Morris & Pratt 1977):
        ``a a b`` is in ``a a a b``.
        """
        missing = (*self.missing, self.completed) if self.completed and inside else self.missing
        last = (*self.begun, token)
        for start in range(len(last)):
            suffix = last[start:]
            if suffix in missing:
                place = missing.index(suffix)
                return PhraseProgress(missing[:place] + missing[place + 1 :], completed=suffix)
            if any(phrase[: len(suffix)] == suffix for phrase in missing):
                return PhraseProgress(missing, begun=suffix)
        return PhraseProgress(missing)


@dataclass(frozen=True, slots=True)
class _Extension:
    """A hypothesis and its next token."""

    value: float
    """Log-probability with that token."""
    row: int
    token: int
    progress: PhraseProgress
    """With that token."""


class ConstrainedBeam(Beam[S]):
    """A beam whose slots are shared out by progress.

    Args:
        problem: N sentences.
        width: K.
        required: for each sentence, the phrases that its outputs have to contain.
        word_start: tokens before which a word is complete, (V,).
    """

    def __init__(
        self, problem: SearchProblem[S], width: int, required: Sequence[Sequence[Phrase]], word_start: Tensor
    ) -> None:
        super().__init__(problem, width)
        self.required = [sum(map(len, phrases)) for phrases in required]  # tokens of each sentence
        self.progress = [PhraseProgress(tuple(phrases)) for phrases in required]  # of each row
        self.inside = ~word_start  # (V,) tokens that continue a word
        self._is_inside: list[bool] = self.inside.tolist()

    def choose(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """As in any beam, but the extensions of each stage of progress compete for their own share of the slots."""
        # A required phrase that is complete must stay a word of its own, so nothing continues it,
        # except where a forced prefix does.
        completed = torch.tensor([bool(progress.completed) for progress in self.progress], device=values.device)
        struck = values.masked_fill(completed.unsqueeze(1) & self.inside, -torch.inf)
        values = torch.where(struck.amax(1, keepdim=True) > -torch.inf, struck, values)
        # Extensions by the likeliest tokens, and by those that continue a phrase.
        best, tokens = best_tokens(values, min(self.width, values.shape[1]))
        extensions: dict[int, list[_Extension]] = {}
        for row, sentence in enumerate(self.sentence.tolist()):
            candidates = dict(zip(tokens[row].tolist(), best[row].tolist(), strict=True))
            candidates |= {token: float(values[row, token]) for token in self.progress[row].next_tokens()}
            extensions.setdefault(sentence, []).extend(self._extensions(row, sentence, candidates))
        chosen = [one for sentence, several in extensions.items() for one in self._share_out(sentence, several)]
        parent, token = torch.tensor([(one.row, one.token) for one in chosen], device=values.device).reshape(-1, 2).T
        return parent.long(), token.long()

    def reorder(self, parent: Tensor) -> None:
        """Carries the progress on as well."""
        self.progress = [
            self.progress[row].after(token, inside=self._is_inside[token])
            for row, token in zip(parent.tolist(), self.token.tolist(), strict=True)
        ]
        super().reorder(parent)

    def _extensions(self, row: int, sentence: int, values: dict[int, float]) -> list[_Extension]:
        """The allowed extensions of a row by some tokens, given with their values."""
        total, progress = 0.0 if self.total is None else float(self.total[row]), self.progress[row]
        room = int(self.problem.rules.longest[sentence]) - self.tokens.shape[1]
        allowed = {token: value for token, value in values.items() if value > -torch.inf}
        # An output ends when nothing is missing, or where nothing else is allowed.
        if progress.missing and len(allowed) > 1:
            allowed.pop(self.problem.rules.eos, None)
        extensions = [
            _Extension(total + value, row, token, progress.after(token, inside=self._is_inside[token]))
            for token, value in allowed.items()
        ]
        return [one for one in extensions if one.progress.remaining < room] or extensions

    def _share_out(self, sentence: int, extensions: list[_Extension]) -> list[_Extension]:
        """The best of each stage of progress, then the best of all in the slots that a stage does not fill."""
        open_slots, required = int(self.open_slots[sentence]), self.required[sentence]
        extensions = sorted(extensions, key=lambda one: -one.value)
        stages: dict[int, list[_Extension]] = {}
        for one in extensions:
            stages.setdefault(one.progress.remaining, []).append(one)
        share = max(1, open_slots // (required + 1))
        # The furthest first: with fewer slots than stages the others get none.
        kept = [one for stage in sorted(stages) for one in stages[stage][:share]][:open_slots]
        ids = set(map(id, kept))
        kept += [one for one in extensions if id(one) not in ids][: open_slots - len(kept)]
        return sorted(kept, key=lambda one: -one.value)


def constrained_search(
    problem: SearchProblem[S], *, width: int, required: Sequence[Sequence[Phrase]], word_start: Tensor
) -> list[list[Hypothesis]]:
    """Up to ``width`` outputs for each sentence, best first, each containing what is required of it.

    An output that had to end without (what is required is too long for it, or forbidden) is among them.
    """
    return ConstrainedBeam(problem, width, required, word_start).run()
