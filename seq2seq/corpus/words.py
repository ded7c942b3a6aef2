"""Text as whole words and punctuation marks, for vocabularies of words."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

JOINER = "\uffed"
"""Begins a token that follows the one before it without a space."""


def split_words(text: str) -> list[str]:
    """Words and punctuation marks of a text.

    ``split_words("Hi, Tom!") == ["Hi", "￭,", "Tom", "￭!"]``
    """
    words, previous_end = [], -1
    for match in re.finditer(r"\w+|[^\w\s]", text.replace(JOINER, "■")):
        words.append((JOINER if match.start() == previous_end else "") + match.group())
        previous_end = match.end()
    return words


def join_words(words: Iterable[str]) -> str:
    """The inverse of :func:`split_words` on normalised text; a joiner at the beginning is dropped."""
    return " ".join(words).replace(f" {JOINER}", "").removeprefix(JOINER)


@dataclass(frozen=True, slots=True)
class ForbiddenBigrams:
    """Pairs of words that no output may contain, because :func:`split_words` would not split their text into them.

    ``ca`` and ``￭sa`` would be read as ``casa``; a joiner at the beginning of a text would be lost.
    """

    ends_in_letter: list[int]
    """1 for each id that ends in a letter or digit, 0 for a punctuation mark, (V,)."""
    forbidden: list[list[bool]]
    """Ids that may not follow a punctuation mark, may not follow a letter, may not come first, (3, V)."""


def forbidden_bigrams(vocabulary: Sequence[str]) -> ForbiddenBigrams:
    """The forbidden bigrams of a vocabulary of words."""
    joined = [word.startswith(JOINER) for word in vocabulary]
    joined_letter = [re.match(rf"{JOINER}\w", word) is not None for word in vocabulary]
    ends_in_letter = [int(re.search(r"\w$", word) is not None) for word in vocabulary]
    return ForbiddenBigrams(ends_in_letter, [[False] * len(vocabulary), joined_letter, joined])
