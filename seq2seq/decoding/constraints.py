"""What users demand of outputs: how they begin, what they hold, what they do not.

Shapes: ``V`` vocabulary.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seq2seq.corpus.subword import UNK, Subword, normalise
from seq2seq.decoding.outputs import Translation
from seq2seq.errors import ConfigError
from seq2seq.search.constrained import PhraseProgress
from seq2seq.search.rules import Phrase


@dataclass(frozen=True, kw_only=True, slots=True)
class Constraints:
    """What outputs must and must not hold.

    Raises:
        ConfigError: a phrase is empty, or required and blocked.
    """

    prefixes: Sequence[str] = ()
    """How each output begins, one for each source; empty: as it likes."""
    required: Sequence[Sequence[str]] = ()
    """Words or phrases that each output holds, a list for each source; empty: nothing is required."""
    blocked: Sequence[str] = ()
    """Words or phrases that no output holds."""

    def __post_init__(self) -> None:
        required = {phrase for phrases in self.required for phrase in phrases}
        for kind, phrases in (("blocked", self.blocked), ("required", required)):
            for phrase in phrases:
                if not normalise(phrase):
                    raise ConfigError(f"a {kind} phrase is empty: expected a word or several, found {phrase!r}")
        for phrase in self.blocked:
            if held := next((one for one in sorted(required) if holds(one, phrase)), None):
                raise ConfigError(f"{held!r} is required and {phrase!r} is blocked: no output can do both")

    def __bool__(self) -> bool:
        return bool(any(self.prefixes) or any(self.required) or self.blocked)

    def of(self, rows: Sequence[int]) -> "Constraints":
        """Those on some of the sources."""
        return Constraints(
            prefixes=[self.prefixes[row] for row in rows] if self.prefixes else (),
            required=[self.required[row] for row in rows] if self.required else (),
            blocked=self.blocked,
        )

    def unmet(self, row: int, text: str) -> list[str]:
        """What an output does not fulfil, in words; of an empty source nothing is required."""
        faults = [f"{phrase!r} is in it" for phrase in self.blocked if holds(text, phrase)]
        if self.required:
            faults += [f"{phrase!r} is missing" for phrase in self.required[row] if not holds(text, phrase)]
        if self.prefixes and not text.startswith(normalise(self.prefixes[row])):
            faults.append(f"it does not begin with {self.prefixes[row]!r}")
        return faults

    def satisfied_first(self, found: Sequence[Sequence[Translation]]) -> list[list[Translation]]:
        """The outputs for each source, those that leave the least unfulfilled first, else in their order."""
        return [
            sorted(outputs, key=lambda output: len(self.unmet(row, output.text))) if self else list(outputs)
            for row, outputs in enumerate(found)
        ]


def holds(text: str, phrase: str) -> bool:
    """Whether whole words of a text are the phrase."""
    return re.search(rf"(?<!\w){re.escape(normalise(phrase))}(?!\w)", text) is not None


@dataclass(frozen=True, slots=True)
class TokenConstraints:
    """Constraints on some sources in tokens.

    What the vocabulary cannot write is left out: no output could be made to hold it.
    """

    prefixes: list[list[int]]
    """One for each source, up to its first unknown word; or none at all."""
    required: list[list[Phrase]]
    """Likewise, without unknown words, and without phrases that others hold."""
    blocked: tuple[Phrase, ...]
    """Each in all its spellings."""
    word_start: Tensor
    """Tokens before which a word is complete, (V,)."""
    word_end: Tensor
    """Tokens after which a word begins, whatever comes next, (V,)."""

    @classmethod
    def of(cls, constraints: Constraints, tgt: Subword, device: torch.device) -> "TokenConstraints":
        """The tokens of constraints in a vocabulary."""
        written = [[tuple(tgt.encode(phrase)) for phrase in _longest(phrases)] for phrases in constraints.required]
        return cls(
            prefixes=[_known(tgt.encode(prefix)) for prefix in constraints.prefixes],
            required=[[phrase for phrase in phrases if UNK not in phrase] for phrases in written],
            blocked=tuple(tuple(way) for phrase in constraints.blocked for way in tgt.spellings(phrase)),
            word_start=torch.tensor(tgt.word_start(), device=device),
            word_end=torch.tensor(tgt.word_end(), device=device),
        )

    def needed(self, row: int) -> int:
        """Tokens that an output takes to fulfil them."""
        prefix = self.prefixes[row] if self.prefixes else []
        progress = PhraseProgress(tuple(self.required[row]) if self.required else ())
        for token in prefix:
            progress = progress.after(token, inside=not self.word_start[token])
        return len(prefix) + progress.remaining


def _longest(phrases: Sequence[str]) -> list[str]:
    """Each phrase once, without those that others hold."""
    each = list(dict.fromkeys(map(normalise, phrases)))
    return [phrase for phrase in each if not any(holds(other, phrase) for other in each if other != phrase)]


def _known(ids: list[int]) -> list[int]:
    return ids[: ids.index(UNK)] if UNK in ids else ids
