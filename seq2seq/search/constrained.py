"""Beam search whose outputs hold required words.

Post & Vilar 2018: the beam of a sentence is shared out among hypotheses that have said 0, 1, … tokens of what is
required, so that one which begins with a required word is not pushed out by likelier ones that have none.
A hypothesis may end when it has said everything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seq2seq.search.beam import Beam
from seq2seq.search.hypothesis import Hypothesis, Ranking, S, Step, best_tokens
from seq2seq.search.rules import Rules

Phrase = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PhraseProgress:
    """How much of what is required a hypothesis has said."""

    missing: tuple[Phrase, ...]
    """Phrases that have still to be said in full."""
    begun: Phrase = ()
    """The last tokens, as far as one of these begins with them; () between phrases."""
    ended: Phrase = ()
    """The phrase that the last token has completed, unless its last word goes on and becomes another."""

    @property
    def left(self) -> int:
        """Tokens that have still to be said."""
        return sum(map(len, self.missing)) - len(self.begun)

    def following(self) -> set[int]:
        """Tokens that lead on towards the end."""
        said = len(self.begun)
        return {phrase[said] for phrase in self.missing if phrase[:said] == self.begun}

    def after(self, token: int, *, inside: bool = False) -> "PhraseProgress":
        """PhraseProgress when ``token`` comes next, which may stand inside a word.

        A phrase that is broken off goes on from the longest of its beginnings that was said last (Knuth, Morris &
        Pratt 1977): ``a a b`` is in ``a a a b``.
        """
        missing = (*self.missing, self.ended) if self.ended and inside else self.missing
        heard = (*self.begun, token)
        for start in range(len(heard)):
            last = heard[start:]
            if last in missing:
                place = missing.index(last)
                return PhraseProgress(missing[:place] + missing[place + 1 :], ended=last)
            if any(phrase[: len(last)] == last for phrase in missing):
                return PhraseProgress(missing, begun=last)
        return PhraseProgress(missing)


class ConstrainedBeam(Beam[S]):
    """A beam, shared out by progress.

    Args:
        required: for each sentence, the phrases it has to hold.
        word_start: tokens before which a word is complete, (V,).
    """

    def __init__(
        self,
        step: Step[S],
        state: S,
        bos: int,
        rules: Rules,
        ranking: Ranking,
        width: int,
        required: Sequence[Sequence[Phrase]],
        word_start: Tensor,
    ) -> None:
        super().__init__(step, state, bos, rules, ranking, width)
        self.required = [sum(map(len, phrases)) for phrases in required]
        self.progress = [PhraseProgress(tuple(phrases)) for phrases in required]
        self.inside = ~word_start
        self._is_inside: list[bool] = self.inside.tolist()

    def choose(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """As in any beam, but among candidates of each stage of progress apart; see :class:`Beam`."""
        at_end = torch.tensor([bool(progress.ended) for progress in self.progress], device=value.device).unsqueeze(1)
        struck = value.masked_fill(at_end & self.inside, -torch.inf)
        # Where a forced beginning makes another word of it, there is no other way to go on.
        value = torch.where(struck.amax(1, keepdim=True) > -torch.inf, struck, value)
        best, choice = best_tokens(value, min(self.width, value.shape[1]))
        candidates: dict[int, list[_Extension]] = {}
        for row, sentence in enumerate(self.sentence.tolist()):
            tokens = dict(zip(choice[row].tolist(), best[row].tolist(), strict=True))
            tokens |= {token: float(value[row, token]) for token in self.progress[row].following()}
            candidates.setdefault(sentence, []).extend(self._extensions(row, sentence, tokens))
        chosen = [candidate for sentence, found in candidates.items() for candidate in self._share_out(sentence, found)]
        self._chosen = chosen
        device = value.device
        return (
            torch.tensor([candidate.row for candidate in chosen], dtype=torch.long, device=device),
            torch.tensor([candidate.token for candidate in chosen], dtype=torch.long, device=device),
        )

    def _keep(self, parent: Tensor, token: Tensor, total: Tensor) -> None:
        self.progress = [candidate.progress for candidate in self._chosen if candidate.token != self.rules.eos]
        super()._keep(parent, token, total)

    def _extensions(self, row: int, sentence: int, tokens: dict[int, float]) -> "Iterator[_Extension]":
        """The allowed ways to go on with a hypothesis, of those given with their values."""
        before, progress = 0.0 if self.total is None else float(self.total[row]), self.progress[row]
        room = int(self.rules.longest[sentence]) - self.tokens.shape[1]
        allowed = {token: value for token, value in tokens.items() if value > -torch.inf}
        # An output may end once nothing is missing, or where there is no other way to go on.
        if progress.missing and len(allowed) > 1:
            allowed.pop(self.rules.eos, None)
        extensions = [
            _Extension(before + value, row, token, progress.after(token, inside=self._is_inside[token]))
            for token, value in allowed.items()
        ]
        in_time = [candidate for candidate in extensions if candidate.progress.left < room]
        yield from in_time or extensions

    def _share_out(self, sentence: int, candidates: "list[_Extension]") -> "list[_Extension]":
        """The best of each stage of progress, and of all where a stage has no candidates for its share."""
        open_slots = int(self.open_slots[sentence])
        candidates.sort(key=lambda candidate: -candidate.value)
        stages: dict[int, list[_Extension]] = {}
        for candidate in candidates:
            stages.setdefault(self.required[sentence] - candidate.progress.left, []).append(candidate)
        share = max(1, open_slots // (self.required[sentence] + 1))
        # Those that have said most come first: with fewer open_slots than stages the others go without.
        kept = [candidate for stage in sorted(stages, reverse=True) for candidate in stages[stage][:share]][:open_slots]
        known = set(map(id, kept))
        kept += [candidate for candidate in candidates if id(candidate) not in known][: open_slots - len(kept)]
        return sorted(kept, key=lambda candidate: -candidate.value)


@dataclass(frozen=True, slots=True)
class _Extension:
    """One way to go on."""

    value: float
    """Log-probability of the hypothesis with it."""
    row: int
    token: int
    progress: PhraseProgress


def constrained_search(
    step: Step[S],
    state: S,
    bos: int,
    rules: Rules,
    ranking: Ranking,
    *,
    width: int,
    required: Sequence[Sequence[Phrase]],
    word_start: Tensor,
) -> list[list[Hypothesis]]:
    """Up to ``width`` outputs for each sentence, best first, each holding what is required of it.

    An output that had to end without (what is required is too long for it, or forbidden) is among them.
    """
    beam = ConstrainedBeam(step, state, bos, rules, ranking, width, required, word_start)
    while beam.live:
        beam.advance()
    return beam.found()
