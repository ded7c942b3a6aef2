"""What ``auto`` becomes for a corpus: how much is held out, what its vocabulary is made of and how large."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from seq2seq.config import DataConfig, SubwordConfig
from seq2seq.corpus.pairs import Pair

# Each held-out part has a tenth of the sources, and no more than this: scores of 2,000 sentences are steady enough.
_SHARE, _MOST_HELD_OUT = 10, 2000
# Sides as short as this are words or codes, which are spelled, not looked up.
_FEW_WORDS = 3.0
# Fewer characters than this teach no useful pieces: those of 3,000 sentences.
_FEW_CHARACTERS = 300_000
# Longer texts would make too many steps if they were spelled.
_LONG = 100
# Characters of a word with its space, so that scripts without spaces have words too.
_WORD = 5
# Pieces by the cube root of the words: 6,000 for the 1.8 million words of Tatoeba's English and Spanish, 4,000 for the
# 0.7 million of Multi30k, 800 for the 6,000 of the emoji, as the shipped recipes have.
_PIECES_BY_ROOT = 50
_MOST_PIECES = 32_000
# Pieces that are always there: four marks and the beginning of a word, and the 256 bytes.
_MARKS, _BYTES = 5, 256


@dataclass(slots=True)
class SideStatistics:
    """Counts of one side of the pairs, or of both."""

    texts: int = 0
    characters: int = 0
    words: int = 0
    alphabet: set[str] = field(default_factory=set)

    def add(self, text: str) -> None:
        """Counts one more text."""
        self.texts += 1
        self.characters += len(text)
        self.words += len(text.split())
        self.alphabet.update(text)


def split_sizes(data: DataConfig, pairs: Iterable[Pair]) -> DataConfig:
    """The settings with a tenth of the sources, at most 2,000, in place of each ``auto`` size of a held-out part.

    Args:
        data: the table ``[data]``.
        pairs: the cleaned training part; it is read only as far as need be.
    """
    if "auto" not in (data.validation_size, data.test_size):
        return data
    sources: set[str] = set()
    for pair in pairs:
        sources.add(pair.src)
        if len(sources) == _SHARE * _MOST_HELD_OUT:
            break
    size = max(1, len(sources) // _SHARE)
    return replace(
        data,
        validation_size=size if data.validation_size == "auto" else data.validation_size,
        test_size=size if data.test_size == "auto" else data.test_size,
    )


def piece_type(src: SideStatistics, tgt: SideStatistics) -> Literal["char", "unigram"]:
    """``char`` for short texts of few words or few texts in all, else ``unigram``."""
    longest = max(side.characters / max(side.texts, 1) for side in (src, tgt))
    fewest_words = min(side.words / max(side.texts, 1) for side in (src, tgt))
    few = src.characters + tgt.characters < _FEW_CHARACTERS
    return "char" if longest <= _LONG and (few or fewest_words <= _FEW_WORDS) else "unigram"


def vocabulary_size(side: SideStatistics, subword: SubwordConfig) -> int:
    """Pieces of a vocabulary for these texts: every character, and unless it spells, as many as their words can teach.

    Args:
        side: counts of the texts.
        subword: whose ``type`` is settled.
    """
    needed = len(side.alphabet) + _MARKS + (_BYTES if subword.byte_fallback else 0)
    if subword.type == "char":
        return needed
    pieces = _PIECES_BY_ROOT * math.cbrt(side.characters / _WORD)
    return max(needed, min(_MOST_PIECES, round(pieces)))
