"""What is wrong with outputs that no score says: empty ones, unknown words, loops, copies of the source."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

# How unknown words are written: by our vocabularies, by sentencepiece.
_UNKNOWN = ("<unk>", "⁇")
# A phrase of at most _LONGEST words that comes _TIMES times in a row is a loop.
_LONGEST, _TIMES = 8, 3

Split = Callable[[str], Sequence[str]]
"""Text → words, as the metric counts them."""


@dataclass(frozen=True, slots=True)
class Health:
    """Numbers of the outputs with each fault, from 0."""

    outputs: int
    """How many there are."""
    length_ratio: float
    """Words of the outputs for each word of the references; of several references the nearest in length counts."""
    empty: Sequence[int]
    """Outputs without text where every reference has some."""
    unknown: Sequence[int]
    """Outputs with an unknown word where no reference has one."""
    looping: Sequence[int]
    """Outputs in which a phrase comes three times in a row or more, as in no reference of theirs."""
    copied: Sequence[int] | None
    """Outputs that repeat their source, as no reference of theirs does; None without sources."""


def health(
    outputs: Sequence[str], references: Sequence[Sequence[str]], sources: Sequence[str] | None, split: Split
) -> Health:
    """The faults of a system's outputs.

    Args:
        outputs: of the system.
        references: one or more for each output.
        sources: one for each output, or None.
        split: into words.
    """
    written = wanted = 0
    for output, texts in zip(outputs, references, strict=True):
        length, lengths = len(split(output)), [len(split(text)) for text in texts]
        written += length
        wanted += min((abs(other - length), other) for other in lengths)[1]

    def faulty(fault: Callable[[str], bool]) -> list[int]:
        rows = enumerate(zip(outputs, references, strict=True))
        return [number for number, (output, texts) in rows if fault(output) and not any(map(fault, texts))]

    return Health(
        outputs=len(outputs),
        length_ratio=written / max(wanted, 1),
        empty=faulty(lambda text: not text.strip()),
        unknown=faulty(lambda text: any(mark in text for mark in _UNKNOWN)),
        looping=faulty(lambda text: loops(split(text))),
        copied=None if sources is None else _copied(outputs, references, sources),
    )


def loops(words: Sequence[str]) -> bool:
    """Whether a phrase comes three times in a row or more; punctuation alone is no phrase."""
    for size in range(1, _LONGEST + 1):
        repeated = 0
        for place in range(size, len(words)):
            repeated = repeated + 1 if words[place] == words[place - size] else 0
            if repeated >= size * (_TIMES - 1) and any(map(_has_letters, words[place - size + 1 : place + 1])):
                return True
    return False


def _has_letters(word: str) -> bool:
    return any(map(str.isalnum, word))


def _copied(outputs: Sequence[str], references: Sequence[Sequence[str]], sources: Sequence[str]) -> list[int]:
    rows = enumerate(zip(outputs, references, sources, strict=True))
    return [number for number, (output, texts, source) in rows if output and output == source and output not in texts]
