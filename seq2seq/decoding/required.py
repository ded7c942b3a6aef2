"""Beam search whose outputs hold required words.

Post & Vilar 2018: the beam of a sentence is shared out among hypotheses that have said 0, 1, … tokens of what is
required, so that one which begins with a required word is not pushed out by likelier ones that have none.
A hypothesis may end when it has said everything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seq2seq.decoding.beam import Beam
from seq2seq.decoding.hypothesis import Hypothesis, Ranking, S, Step
from seq2seq.decoding.rules import Rules

Phrase = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of what is required a hypothesis has said."""

    missing: tuple[Phrase, ...]
    """Phrases that have still to be said in full."""
    begun: Phrase = ()
    """The one that is being said; () between phrases."""
    said: int = 0
    """Tokens of it."""
    at_end: bool = False
    """A phrase has just been completed, and its last word must end here."""

    @property
    def left(self) -> int:
        """Tokens that have still to be said."""
        return sum(map(len, self.missing)) - self.said

    def following(self) -> set[int]:
        """Tokens that lead on towards the end."""
        return {self.begun[self.said]} if self.begun else {phrase[0] for phrase in self.missing}

    def after(self, token: int) -> "Progress":
        """Progress when ``token`` comes next: a phrase that is broken off has to be begun anew."""
        if self.begun and self.begun[self.said] == token:
            begun, said = self.begun, self.said + 1
        else:
            begun, said = next(((phrase, 1) for phrase in self.missing if phrase[0] == token), ((), 0))
        if begun and said == len(begun):
            rest = list(self.missing)
            rest.remove(begun)
            return Progress(tuple(rest), at_end=True)
        return Progress(self.missing, begun, said)


class RequiredBeam(Beam[S]):
    """A beam, shared out by progress.

    Args:
        required: for each sentence, the phrases it has to hold.
        boundary: tokens before which a word is complete, (V,).
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
        boundary: Tensor,
    ) -> None:
        super().__init__(step, state, bos, rules, ranking, width)
        self.required = [sum(map(len, phrases)) for phrases in required]
        self.progress = [Progress(tuple(phrases)) for phrases in required]
        self.inside = ~boundary

    def choose(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """As in any beam, but among candidates of each stage of progress apart; see :class:`Beam`."""
        value = value.clone()
        at_end = [row for row, progress in enumerate(self.progress) if progress.at_end]
        value[at_end] = value[at_end].masked_fill(self.inside, -torch.inf)
        best, choice = value.topk(min(self.width, value.shape[1]), dim=1)
        candidates: dict[int, list[_Candidate]] = {}
        for row, sentence in enumerate(self.sentence.tolist()):
            tokens = dict(zip(choice[row].tolist(), best[row].tolist(), strict=True))
            tokens |= {token: float(value[row, token]) for token in self.progress[row].following()}
            candidates.setdefault(sentence, []).extend(self._extensions(row, sentence, tokens))
        chosen = [candidate for sentence, found in candidates.items() for candidate in self._share_out(sentence, found)]
        self._chosen = chosen
        device = value.device
        return (
            torch.tensor([candidate.row for candidate in chosen], device=device),
            torch.tensor([candidate.token for candidate in chosen], device=device),
        )

    def _keep(self, parent: Tensor, token: Tensor, total: Tensor) -> None:
        self.progress = [candidate.progress for candidate in self._chosen if candidate.token != self.rules.eos]
        super()._keep(parent, token, total)

    def _extensions(self, row: int, sentence: int, tokens: dict[int, float]) -> "Iterator[_Candidate]":
        """The allowed ways to go on with a hypothesis, of those given with their values."""
        before, progress = 0.0 if self.total is None else float(self.total[row]), self.progress[row]
        room = int(self.rules.longest[sentence]) - self.tokens.shape[1]
        allowed = {token: value for token, value in tokens.items() if value > -torch.inf}
        # An output may end once nothing is missing, or where there is no other way to go on.
        if progress.missing and len(allowed) > 1:
            allowed.pop(self.rules.eos, None)
        extensions = [_Candidate(before + value, row, token, progress.after(token)) for token, value in allowed.items()]
        in_time = [candidate for candidate in extensions if candidate.progress.left < room]
        yield from in_time or extensions

    def _share_out(self, sentence: int, candidates: "list[_Candidate]") -> "list[_Candidate]":
        """The best of each stage of progress, and of all where a stage has no candidates for its share."""
        places = int(self.places[sentence])
        candidates.sort(key=lambda candidate: -candidate.value)
        stages: dict[int, list[_Candidate]] = {}
        for candidate in candidates:
            stages.setdefault(self.required[sentence] - candidate.progress.left, []).append(candidate)
        share = max(1, places // (self.required[sentence] + 1))
        # Those that have said most come first: with fewer places than stages the others go without.
        kept = [candidate for stage in sorted(stages, reverse=True) for candidate in stages[stage][:share]][:places]
        known = set(map(id, kept))
        kept += [candidate for candidate in candidates if id(candidate) not in known][: places - len(kept)]
        return sorted(kept, key=lambda candidate: -candidate.value)


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One way to go on."""

    value: float
    """Log-probability of the hypothesis with it."""
    row: int
    token: int
    progress: Progress


def required_search(
    step: Step[S],
    state: S,
    bos: int,
    rules: Rules,
    ranking: Ranking,
    *,
    width: int,
    required: Sequence[Sequence[Phrase]],
    boundary: Tensor,
) -> list[list[Hypothesis]]:
    """Up to ``width`` outputs for each sentence, best first, each holding what is required of it.

    An output that had to end without (what is required is too long for it, or forbidden) comes last.
    """
    beam = RequiredBeam(step, state, bos, rules, ranking, width, required, boundary)
    while beam.live:
        beam.advance()
    return [
        sorted(found, key=lambda output: not _holds(output.tokens, phrases))
        for found, phrases in zip(beam.found(), required, strict=True)
    ]


def _holds(tokens: Sequence[int], phrases: Sequence[Phrase]) -> bool:
    places = range(len(tokens))
    return all(any(tuple(tokens[place : place + len(phrase)]) == phrase for place in places) for phrase in phrases)
