"""Constraints on outputs: how they begin, what they contain, what they do not; without importing torch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from seq2seq.config import SubwordConfig
from seq2seq.corpus.letters import INSIDE, PRECEDING, UNSPACED
from seq2seq.corpus.normalise import normalise
from seq2seq.decoding.outputs import Translation
from seq2seq.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class Constraints:
    """What outputs must and must not contain.

    Raises:
        ConfigError: a phrase is empty, or required and blocked.
    """

    prefixes: Sequence[str] = ()
    """How each output begins, one for each source; an empty one constrains nothing."""
    required: Sequence[Sequence[str]] = ()
    """Words or phrases that each output contains, a list for each source; empty: none."""
    blocked: Sequence[str] = ()
    """Words or phrases that no output contains."""

    def __post_init__(self) -> None:
        required = {phrase for phrases in self.required for phrase in phrases}
        for kind, phrases in (("blocked", self.blocked), ("required", required)):
            for phrase in phrases:
                if not normalise(phrase):
                    raise ConfigError(f"a {kind} phrase is empty: expected a word or several, found {phrase!r}")
        for phrase in self.blocked:
            if conflict := next((one for one in sorted(required) if contains(one, phrase)), None):
                raise ConfigError(f"{conflict!r} is required and {phrase!r} is blocked: no output can do both")

    def __bool__(self) -> bool:
        return bool(any(self.prefixes) or any(self.required) or self.blocked)

    def of(self, rows: Sequence[int]) -> "Constraints":
        """The constraints on some of the sources."""
        return Constraints(
            prefixes=[self.prefixes[row] for row in rows] if self.prefixes else (),
            required=[self.required[row] for row in rows] if self.required else (),
            blocked=self.blocked,
        )

    def normalised(self, subword: SubwordConfig) -> "Constraints":
        """The same in a model's Unicode form and case."""
        return Constraints(
            prefixes=[normalise(prefix, subword) for prefix in self.prefixes],
            required=[[normalise(phrase, subword) for phrase in phrases] for phrases in self.required],
            blocked=[normalise(phrase, subword) for phrase in self.blocked],
        )

    def unmet(self, row: int, text: str) -> list[str]:
        """A description of each constraint that an output for source ``row`` violates."""
        faults = [f"{phrase!r} is in it" for phrase in self.blocked if contains(text, phrase)]
        if self.required:
            faults += [f"{phrase!r} is missing" for phrase in self.required[row] if not contains(text, phrase)]
        if self.prefixes and not text.startswith(normalise(self.prefixes[row])):
            faults.append(f"it does not begin with {self.prefixes[row]!r}")
        return faults

    def satisfied_first(self, lists: Sequence[Sequence[Translation]]) -> list[list[Translation]]:
        """The outputs for each source, those that violate the fewest constraints first, else in their order."""
        return [
            sorted(outputs, key=lambda output: len(self.unmet(row, output.text))) if self else list(outputs)
            for row, outputs in enumerate(lists)
        ]


def contains(text: str, phrase: str) -> bool:
    """Whether a phrase is in a text as whole words; in scripts without spaces, between any two letters."""
    phrase = normalise(phrase)
    before = "" if joins(phrase) else rf"(?<!{PRECEDING})"
    return phrase in text and re.search(rf"{before}{re.escape(phrase)}(?!{INSIDE})", text) is not None


def joins(phrase: str) -> bool:
    """Whether a phrase follows other words without a space, as in scripts without spaces."""
    return re.match(UNSPACED, phrase) is not None
