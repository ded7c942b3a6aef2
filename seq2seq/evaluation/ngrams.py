"""Which words and phrases a system writes too often or too rarely, and which one system gets right more often."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_ORDERS = 4
# What weighs less, such as an n-gram that occurs once, is chance.
_LEAST = 1.0

Words = Sequence[str]
NGram = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """How often an n-gram occurs on one side only, sentence by sentence."""

    ngram: NGram
    more: int
    """Occurrences in the first side that its second lacks, summed over sentences."""
    fewer: int
    """The same the other way round."""

    @property
    def weight(self) -> float:
        """How surely one side has more: McNemar's statistic with its sign, (more - fewer) / √(more + fewer + 1).

        The 1 keeps n-grams that occur once or twice behind those with more evidence.
        """
        return (self.more - self.fewer) / math.sqrt(self.more + self.fewer + 1)


@dataclass(frozen=True, slots=True)
class Tallies:
    """The n-grams that tell two sides apart, the surest first."""

    more: Sequence[Tally]
    fewer: Sequence[Tally]


def produced(outputs: Sequence[Words], references: Sequence[Sequence[Words]], most: int = 10) -> Tallies:
    """N-grams that outputs have more often, or more rarely, than every reference.

    Args:
        outputs: each as its words.
        references: one or more for each output, as words.
        most: n-grams of each kind.
    """
    more: Counter[NGram] = Counter()
    fewer: Counter[NGram] = Counter()
    for output, texts in zip(outputs, references, strict=True):
        written, wanted = _ngrams(output), [_ngrams(text) for text in texts]
        more.update(written - _largest(wanted))
        fewer.update(_smallest(wanted) - written)
    return _tallies(more, fewer, most)


def matched(
    outputs: Sequence[Words], others: Sequence[Words], references: Sequence[Sequence[Words]], most: int = 10
) -> Tallies:
    """N-grams of the references that one system's outputs have more often, or more rarely, than another's.

    Args:
        outputs: of the system, each as its words.
        others: of the other system.
        references: one or more for each output, as words.
        most: n-grams of each kind.
    """
    more: Counter[NGram] = Counter()
    fewer: Counter[NGram] = Counter()
    for output, other, texts in zip(outputs, others, references, strict=True):
        if output == other:
            continue
        wanted = _largest([_ngrams(text) for text in texts])
        ours, theirs = _ngrams(output) & wanted, _ngrams(other) & wanted
        more.update(ours - theirs)
        fewer.update(theirs - ours)
    return _tallies(more, fewer, most)


def _ngrams(words: Words) -> Counter[NGram]:
    return Counter(
        tuple(words[start : start + order])
        for order in range(1, _ORDERS + 1)
        for start in range(len(words) - order + 1)
    )


def _largest(counts: Sequence[Counter[NGram]]) -> Counter[NGram]:
    total, *rest = counts
    for other in rest:
        total = total | other
    return total


def _smallest(counts: Sequence[Counter[NGram]]) -> Counter[NGram]:
    total, *rest = counts
    for other in rest:
        total = total & other
    return total


def _tallies(more: Counter[NGram], fewer: Counter[NGram], most: int) -> Tallies:
    tallies = [Tally(ngram, more[ngram], fewer[ngram]) for ngram in more.keys() | fewer.keys()]
    # The longest first among equals, so that a phrase comes before its parts.
    tallies.sort(key=lambda tally: (-abs(tally.weight), -len(tally.ngram), tally.ngram))
    return Tallies(
        _distinct((tally for tally in tallies if tally.weight >= _LEAST), most),
        _distinct((tally for tally in tallies if tally.weight <= -_LEAST), most),
    )


def _distinct(tallies: Iterator[Tally], most: int) -> list[Tally]:
    """The first ones, without parts of a phrase that occur as often as the phrase: they say nothing new."""
    kept: list[Tally] = []
    for tally in tallies:
        if len(kept) == most:
            break
        if not any((tally.more, tally.fewer) == (other.more, other.fewer) and _part(tally, other) for other in kept):
            kept.append(tally)
    return kept


def _part(tally: Tally, phrase: Tally) -> bool:
    """Whether an n-gram is a part of a phrase."""
    size = len(tally.ngram)
    return any(phrase.ngram[start : start + size] == tally.ngram for start in range(len(phrase.ngram) - size + 1))
