"""Rescoring another system's n-best lists (Sutskever et al. 2014, §3.7, Table 2).

Lists are in Moses's format: ``number ||| text ||| features ||| score``, all lines of one number in a row.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest
from typing import BinaryIO

from seq2seq.config import Config, DecodingConfig
from seq2seq.corpus.normalise import normalise
from seq2seq.corpus.pairs import Pair
from seq2seq.decoding.scoring import as_read, log_probs
from seq2seq.decoding.translator import Translator
from seq2seq.errors import CorpusError
from seq2seq.filters.streams import warn_of_cuts
from seq2seq.metrics.criterion import Criterion

_STEPS = 20


@dataclass(frozen=True, slots=True)
class ScoredCandidate:
    """One line of an n-best list."""

    number: int
    text: str
    features: str
    """As the other system wrote them."""
    theirs: float
    """The other system's score."""
    ours: float = 0.0
    """log p(text | source) of our models, in nats."""

    def combined(self, weight: float) -> float:
        """``(1 - weight) · theirs + weight · ours``; the paper takes the even average."""
        return (1 - weight) * self.theirs + weight * self.ours

    def line(self, weight: float) -> str:
        """The candidate with our log-probability as one more feature and the combined score."""
        features = f"{self.features} Seq2Seq= {self.ours:.4f}".strip()
        return f"{self.number} ||| {self.text} ||| {features} ||| {self.combined(weight):.4f}"


def read_lists(lines: Iterable[str], name: str) -> Iterator[list[ScoredCandidate]]:
    """The lists of a file, one after the other.

    Raises:
        CorpusError: a line is not in Moses's format, or a list is missing.
    """
    candidates = (_parse(line, f"{name}, line {place}") for place, line in enumerate(lines, 1))
    for expected, (number, group) in enumerate(groupby(candidates, key=lambda candidate: candidate.number)):
        if number != expected:
            raise CorpusError(f"{name}: expected the list of sentence {expected} next, found that of {number}")
        yield list(group)


def rescored(
    translator: Translator,
    sources: Iterable[str],
    lists: Iterable[list[ScoredCandidate]],
    options: DecodingConfig | None = None,
) -> Iterator[list[ScoredCandidate]]:
    """The lists with our log-probabilities, in their order; one list is in memory at a time.

    The list of an empty source stays as it is.

    Args:
        translator: one model or an ensemble.
        sources: the sentences that the lists are translations of.
        lists: from :func:`read_lists`.
        options: how an ensemble is combined; None: as the first member's ``[decoding]`` says.

    Raises:
        CorpusError: there are more lists than sources, or fewer.
    """
    tgt = translator.vocabularies.tgt
    for number, (source, candidates) in enumerate(zip_longest(sources, lists)):
        if source is None or candidates is None:
            lacking = "sentence to translate" if source is None else "list"
            raise CorpusError(f"no {lacking} number {number}: expected as many lists as lines in --src")
        if translator.is_empty(source):
            yield candidates
            continue
        warn_of_cuts(translator, [source], number)
        pairs = [as_read(translator, Pair(source, candidate.text)) for candidate in candidates]
        totals = log_probs(translator, [pair.src for pair in pairs], [tgt.encode(pair.tgt) for pair in pairs], options)
        yield [replace(candidate, ours=total) for candidate, total in zip(candidates, totals, strict=True)]


def ranked(candidates: Sequence[ScoredCandidate], weight: float) -> list[ScoredCandidate]:
    """By combined score, best first."""
    return sorted(candidates, key=lambda candidate: -candidate.combined(weight))


@dataclass(frozen=True, slots=True)
class TunedWeight:
    """The weight of our score that is best for some references."""

    weight: float
    score: float
    """Of the first candidates with this weight."""
    criterion: Criterion
    """Which score that is."""


def tune_weight(
    lists: Sequence[Sequence[ScoredCandidate]], references: Sequence[Sequence[str]], config: Config
) -> TunedWeight:
    """The weight, in steps of 0.05, with the best first candidates; the lowest of several.

    Args:
        lists: scored, not empty ones.
        references: one or more sets, each with a reference for each list.
        config: says by which metric; ``auto`` and ``perplexity`` become one that fits the references.

    Raises:
        CorpusError: there are no lists, or the number of references differs.
        ConfigError: the tokeniser is not installed.
    """
    for texts in references:
        if not lists or len(lists) != len(texts):
            raise CorpusError(
                f"expected a reference for each list, and at least one: found {len(texts)} references "
                f"and {len(lists)} lists"
            )
    own_references = [[normalise(text, config.subword) for text in texts] for texts in zip(*references, strict=True)]
    criterion = Criterion.of(config, own_references)

    def tuned(weight: float) -> TunedWeight:
        outputs = [normalise(ranked(candidates, weight)[0].text, config.subword) for candidates in lists]
        return TunedWeight(weight, criterion.score(outputs, own_references), criterion)

    return max((tuned(step / _STEPS) for step in range(_STEPS + 1)), key=lambda found: criterion.quality(found.score))


def write_lists(lists: Iterable[Sequence[ScoredCandidate]], weight: float, target: BinaryIO) -> None:
    """Each list in its new order."""
    for candidates in lists:
        for candidate in ranked(candidates, weight):
            target.write(f"{candidate.line(weight)}\n".encode())


def _parse(line: str, place: str) -> ScoredCandidate:
    # From both ends, since the text itself may hold bars.
    number, _, rest = line.partition("|||")
    try:
        text, *features, score = (part.strip() for part in rest.rsplit("|||", 2))
        candidate = ScoredCandidate(int(number), text, "".join(features), float(score))
        if not math.isfinite(candidate.theirs):
            raise ValueError
    except ValueError:
        raise CorpusError(f"{place}: expected 'number ||| text ||| features ||| score', found {line[:60]!r}") from None
    return candidate
