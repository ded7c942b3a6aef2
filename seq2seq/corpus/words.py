"""Text as whole words and punctuation marks, for vocabularies of words."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from seq2seq.corpus.letters import INSIDE, MARK, UNSPACED

JOINER = "\uffed"
"""Begins a token that follows the one before it without a space."""

_WORD = rf"{UNSPACED}{MARK}*|{INSIDE}+|\S{MARK}*"


class WordSplitter:
    """Splits a text into words and punctuation marks, each with its marks.

    Args:
        symbols: texts that are never split, whatever they consist of.
    """

    def __init__(self, symbols: Sequence[str] = ()) -> None:
        longest_first = sorted(map(re.escape, symbols), key=len, reverse=True)
        self._token = re.compile("|".join([*longest_first, _WORD]))

    def split(self, text: str) -> list[str]:
        """The words of a text, for example ``["Hi", "￭,", "Tom", "￭!"]`` of ``Hi, Tom!``.

        A letter of a script without spaces is a word of its own.
        """
        words, previous_end = [], -1
        for match in self._token.finditer(text.replace(JOINER, "■")):
            words.append((JOINER if match.start() == previous_end else "") + match.group())
            previous_end = match.end()
        return words

    def forbidden_bigrams(self, vocabulary: Sequence[str]) -> "ForbiddenBigrams":
        """The forbidden bigrams of a vocabulary of words."""
        bodies = [word.removeprefix(JOINER) for word in vocabulary]
        joined = [word.startswith(JOINER) for word in vocabulary]
        after = [
            [is_joined and self._merge(left, body) for is_joined, body in zip(joined, bodies, strict=True)]
            for left in "!a"
        ]
        return ForbiddenBigrams([int(self._merge(body, "a")) for body in bodies], [*after, joined])

    def _merge(self, left: str, right: str) -> bool:
        """Whether the last word of a text goes on in another text that follows without a space."""
        return len(self.split(left + right)) < len(self.split(left)) + len(self.split(right))


def join_words(words: Iterable[str]) -> str:
    """The inverse of :meth:`WordSplitter.split` on normalised text; a joiner at the beginning is dropped."""
    return " ".join(words).replace(f" {JOINER}", "").removeprefix(JOINER)


@dataclass(frozen=True, slots=True)
class ForbiddenBigrams:
    """Pairs of words that no output may contain, because their text would not be split into them.

    ``ca`` and ``￭sa`` would be read as ``casa``; a joiner at the beginning of a text would be lost.
    """

    ends_in_letter: list[int]
    """1 for each id that a letter would continue, 0 for the others, such as punctuation marks, (V,)."""
    forbidden: list[list[bool]]
    """Ids that may not follow one of the others, may not follow a letter, may not come first, (3, V)."""
