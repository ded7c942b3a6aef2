"""Placeholders for what a translation hands on as it is: web addresses, tags, numbers.

The model reads ``See ⟨1⟩ on page ⟨2⟩`` and writes the same symbols, each one token, where they belong in its output.
There they become again what they stand for, letter by letter. In training a text is replaced only where both sides have
it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from seq2seq.corpus.pairs import Pair

_NAMED = {
    "url": r"(?:https?|ftp)://[^\s<>\"]*[\w/&=#~]",
    "email": r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+",
    "tag": r"</?[A-Za-z][^<>]*>",
    "number": r"\d+(?:[.,:/-]\d+)*",
}
_SYMBOLS = tuple(f"⟨{number}⟩" for number in range(1, 10))
_SYMBOL = re.compile("⟨[1-9]⟩")


@dataclass(frozen=True, slots=True)
class Protected:
    """A source whose protected texts are replaced by placeholders."""

    text: str
    """What the model reads."""
    originals: tuple[str, ...]
    """The texts that placeholders 1, 2, … stand for."""
    pattern: re.Pattern[str] | None

    def mask(self, text: str) -> str:
        """Another text with the same placeholders wherever it has the same originals."""
        if self.pattern is None or not self.originals:
            return text
        symbols = dict(zip(self.originals, _SYMBOLS, strict=False))
        return self.pattern.sub(lambda match: symbols.get(match[0], match[0]), text)

    def restore(self, text: str) -> str:
        """A text with the originals instead of their placeholders; a placeholder of none vanishes."""
        if self.pattern is None:
            return text
        originals = dict(zip(_SYMBOLS, self.originals, strict=False))
        known = _SYMBOL.sub(lambda match: match[0] if match[0] in originals else "", text)
        return _SYMBOL.sub(lambda match: originals[match[0]], " ".join(known.split()))

    def is_lost(self, output: str, references: Sequence[str]) -> bool:
        """Whether an output lacks an original that a reference has."""
        return any(one not in output and any(one in text for text in references) for one in self.originals)


@dataclass(frozen=True, slots=True)
class Placeholders:
    """What is protected."""

    pattern: re.Pattern[str] | None
    """None: nothing."""

    @classmethod
    @cache
    def of(cls, protect: Sequence[str]) -> "Placeholders":
        """What ``subword.protect`` says."""
        if not protect:
            return cls(None)
        # Whatever looks like a placeholder is protected too, so that it comes back as it was.
        patterns = [_SYMBOL.pattern, *(_NAMED.get(one, one) for one in protect)]
        return cls(re.compile("|".join(f"(?:{pattern})" for pattern in patterns)))

    @property
    def symbols(self) -> tuple[str, ...]:
        """The placeholders, which need a place in the vocabulary."""
        return _SYMBOLS if self.pattern else ()

    def protect(self, source: str) -> Protected:
        """A source with placeholders for the first nine different protected texts."""
        return self._protect(source, self._found(source))

    def lost(self, sources: Sequence[str], outputs: Sequence[str], references: Sequence[Sequence[str]]) -> list[int]:
        """Numbers of the outputs, from 0, that lack a protected text of their source that a reference has."""
        rows = enumerate(zip(sources, outputs, references, strict=True))
        return [number for number, (source, text, wanted) in rows if self.protect(source).is_lost(text, wanted)]

    def protect_pair(self, pair: Pair) -> Pair:
        """A pair to learn from, with placeholders for what both sides have."""
        if self.pattern is None:
            return pair
        there = set(self._found(pair.tgt))
        shared = self._protect(pair.src, [text for text in self._found(pair.src) if text in there])
        return Pair(shared.text, shared.mask(pair.tgt))

    def _found(self, text: str) -> list[str]:
        """Protected texts, each once."""
        matches = self.pattern.finditer(text) if self.pattern else ()
        return list(dict.fromkeys(match[0] for match in matches if match[0]))

    def _protect(self, source: str, texts: Sequence[str]) -> Protected:
        # Those that look like placeholders first, so that none is left that would be taken for another text's.
        ordered = sorted(texts, key=lambda text: _SYMBOL.fullmatch(text) is None)
        protected = Protected(source, tuple(ordered[: len(_SYMBOLS)]), self.pattern)
        return Protected(protected.mask(source), protected.originals, self.pattern)
