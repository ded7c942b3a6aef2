"""Beam search whose outputs contain required phrases.

Post & Vilar 2018: the slots of a sentence are shared out among hypotheses that contain 0, 1, … of the required
tokens, so that one which begins with a required word is not pushed out by likelier ones without any. A hypothesis
may end when nothing is missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seq2seq.search.best import best_tokens
from seq2seq.search.decode import decode
from seq2seq.search.hypothesis import Hypothesis, best_first
from seq2seq.search.problem import S, SearchProblem
from seq2seq.search.rules import Phrase, Rules, Scores
from seq2seq.search.slots import Choice, Slots, first_slots


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


_NONE = PhraseProgress(())
"""Of a slot without a hypothesis."""


@dataclass(frozen=True, slots=True)
class _Extension:
    """A hypothesis and its next token."""

    value: float
    """Log-probability with that token."""
    slot: int
    token: int
    progress: PhraseProgress
    """With that token."""


class ConstrainedBeam:
    """A beam whose slots are shared out by progress. The host follows it, so it reads the scores in each step.

    Args:
        rules: of N sentences.
        width: K.
        required: for each sentence, the phrases that its outputs have to contain.
        word_start: tokens before which a word is complete, (V,).
    """

    lines, on_host = 1, True

    def __init__(self, rules: Rules, width: int, required: Sequence[Sequence[Phrase]], word_start: Tensor) -> None:
        self.eos, self.width = rules.eos, width
        self.longest: list[int] = rules.longest.tolist()
        self.required = [sum(map(len, phrases)) for phrases in required]  # tokens of each sentence
        # Of the hypotheses of each sentence, as they fill its slots.
        self.progress = [[PhraseProgress(tuple(phrases))] for phrases in required]
        self.room = [width] * len(required)
        self.words = sorted({token for phrases in required for phrase in phrases for token in phrase})
        self.column = {token: place for place, token in enumerate(self.words)}
        self.inside = ~word_start  # (V,) tokens that continue a word
        self._is_inside: list[bool] = self.inside.tolist()
        self._step = 0

    def choose(self, scores: Scores, slots: Slots[S]) -> Choice:
        """As in any beam, but the extensions of each stage of progress compete for their own share of the slots."""
        lines, rows, total = slots.line.tolist(), slots.rows().tolist(), slots.by_row(slots.total)
        progress = [_NONE] * len(total)
        for line, of_line in zip(lines, rows, strict=True):
            for row, one in zip(of_line, self.progress[line], strict=False):
                progress[row] = one
        candidates = self._candidates(scores, total, progress)
        chosen = []
        for line, of_line in zip(lines, rows, strict=True):
            live = of_line[: len(self.progress[line])]
            extensions = [one for slot, row in enumerate(live) for one in self._extensions(line, slot, candidates[row])]
            kept = self._share_out(line, extensions)
            going = [one.progress for one in kept if one.token != self.eos]
            self.room[line] -= len(kept) - len(going)
            self.progress[line] = going
            chosen.append(kept)
        self._step += 1
        return _as_choice(chosen, scores.log_probs)

    def _candidates(self, scores: Scores, total: Tensor, progress: list[PhraseProgress]) -> list[dict[int, float]]:
        """Log-probabilities of the hypothesis in each row with some next tokens, -inf if there is none.

        These are the likeliest tokens, and those that continue a phrase; or the one that it has to take.
        """
        # A required phrase that is complete must stay a word of its own, so nothing continues it,
        # except where a forced prefix does.
        completed = torch.tensor([bool(one.completed) for one in progress], device=total.device)
        struck = scores.log_probs.masked_fill(completed.unsqueeze(1) & self.inside, -torch.inf)
        values = torch.where(struck.amax(1, keepdim=True) > -torch.inf, struck, scores.log_probs)
        values = values + total.unsqueeze(1)
        best, token = best_tokens(values, self.width)
        candidates = []
        for one, tokens, of_tokens, of_words in zip(
            progress, token.tolist(), best.tolist(), values[:, self.words].tolist(), strict=True
        ):
            likeliest = {token: value for token, value in zip(tokens, of_tokens, strict=True) if value > -torch.inf}
            candidates.append(likeliest | {word: of_words[self.column[word]] for word in one.next_tokens()})
        if (forced := scores.forced) is not None:
            bound = (total + forced.log_prob).tolist()
            for row, (is_forced, word) in enumerate(zip(forced.rows.tolist(), forced.token.tolist(), strict=True)):
                if is_forced:
                    candidates[row] = {word: bound[row]}
        return candidates

    def _extensions(self, line: int, slot: int, values: dict[int, float]) -> list[_Extension]:
        """The allowed extensions of a hypothesis by some tokens, given with its log-probability with each."""
        progress, room = (
            self.progress[line][slot] if slot < len(self.progress[line]) else _NONE,
            self.longest[line] - self._step,
        )
        allowed = {token: value for token, value in values.items() if value > -torch.inf}
        # An output ends when nothing is missing, or where nothing else is allowed.
        if progress.missing and len(allowed) > 1:
            allowed.pop(self.eos, None)
        extensions = [
            _Extension(value, slot, token, progress.after(token, inside=self._is_inside[token]))
            for token, value in allowed.items()
        ]
        return [one for one in extensions if one.progress.remaining < room] or extensions

    def _share_out(self, line: int, extensions: list[_Extension]) -> list[_Extension]:
        """The best of each stage of progress, then the best of all in the slots that a stage does not fill."""
        room, required = self.room[line], self.required[line]
        extensions = sorted(extensions, key=lambda one: -one.value)
        stages: dict[int, list[_Extension]] = {}
        for one in extensions:
            stages.setdefault(one.progress.remaining, []).append(one)
        share = max(1, room // (required + 1))
        # The furthest first: with fewer slots than stages the others get none.
        kept = [one for stage in sorted(stages) for one in stages[stage][:share]][:room]
        ids = set(map(id, kept))
        kept += [one for one in extensions if id(one) not in ids][: room - len(kept)]
        return sorted(kept, key=lambda one: -one.value)


def _as_choice(chosen: list[list[_Extension]], like: Tensor) -> Choice:
    """The extensions of each line as tensors on the device of ``like``, and of its type."""
    width = max(1, *map(len, chosen))
    empty = _Extension(-torch.inf, 0, 0, _NONE)
    table = [[*kept, *[empty] * (width - len(kept))] for kept in chosen]
    parent, token = (
        torch.tensor(values, device=like.device)
        for values in ([[one.slot for one in line] for line in table], [[one.token for one in line] for line in table])
    )
    return Choice(parent, token, like.new_tensor([[one.value for one in line] for line in table]))


def constrained_search(
    problem: SearchProblem[S], *, width: int, required: Sequence[Sequence[Phrase]], word_start: Tensor
) -> list[list[Hypothesis]]:
    """Up to ``width`` outputs for each sentence, best first, each containing what is required of it.

    An output that had to end without (what is required is too long for it, or forbidden) is among them.
    """
    beam = ConstrainedBeam(problem.rules, width, required, word_start)
    return list(map(best_first, decode(problem, beam, first_slots(problem, lines=1, width=width))))
