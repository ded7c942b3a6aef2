"""From token ids to text: unknown words replaced, lists without repetitions; without importing torch."""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seq2seq.config import DecodingConfig
from seq2seq.corpus.normalise import normalise
from seq2seq.corpus.subword import UNK, Subword
from seq2seq.search.hypothesis import Hypothesis

if TYPE_CHECKING:
    from torch import Tensor

    from seq2seq.metrics.criterion import Criterion


@dataclass(frozen=True, slots=True)
class Link:
    """A word of an output and the word of the source that it comes from."""

    src: int
    """The source's word, counted from 0; words are what stands between spaces."""
    tgt: int
    """The output's word, likewise."""

    def __str__(self) -> str:
        """As Pharaoh and its successors write it: ``src-tgt``."""
        return f"{self.src}-{self.tgt}"


@dataclass(frozen=True, slots=True)
class Translation:
    """One output for one source."""

    text: str
    """Detokenised."""
    score: float
    """What outputs are ranked by: the log-probability in nats divided by the length penalty, plus the coverage penalty;
    the expected utility with minimum Bayes risk; 0 for an empty source."""
    tokens: tuple[str, ...]
    """Subword pieces of the output."""
    ids: tuple[int, ...]
    """Their numbers in the target vocabulary."""
    log_prob: float = 0.0
    """log p(output | source), in nats."""
    cut: bool = False
    """Whether it has the most tokens that an output of its source may have, so that the rest may be missing."""
    alignment: tuple[Link, ...] = ()
    """A link for each word of the output, if it was asked for; see :mod:`seq2seq.decoding.alignment`."""

    @property
    def per_token(self) -> float:
        """Log-probability divided by the number of tokens, the end mark included."""
        return self.log_prob / (len(self.ids) + 1)


EMPTY = Translation("", 0.0, (), ())
"""For an empty source."""


def seed_of(seed: int, source: str) -> tuple[int, int]:
    """The seed of a source's samples, which depend on nothing but the source."""
    return seed, zlib.crc32(source.encode("utf-8", "replace"))


def fill_unknown(
    tokens: Sequence[str], ids: Sequence[int], source: str, attention: "Tensor", vocabulary: Subword
) -> list[str]:
    """Pieces with each unknown one replaced by the most attended source word (Luong et al. 2015b, §3.2).

    Args:
        tokens: pieces of the output.
        ids: their ids.
        source: the sentence.
        attention: weights of each output token over the source words, in the order of the text, (T, S).
        vocabulary: of the source.
    """
    words = vocabulary.split(normalise(source, vocabulary.config))
    return [
        words[min(int(attention[place, : len(words)].argmax()), len(words) - 1)] if number == UNK and words else token
        for place, (token, number) in enumerate(zip(tokens, ids, strict=True))
    ]


def unique(outputs: Sequence[Translation]) -> list[Translation]:
    """Each text once, with the best of its scores, best first."""
    best: dict[str, Translation] = {}
    for output in sorted(outputs, key=lambda output: -output.score):
        best.setdefault(output.text, output)
    return list(best.values())


def least_risk(outputs: Sequence[Translation], options: DecodingConfig, criterion: "Criterion") -> list[Translation]:
    """Each text once, scored and ranked by its expected utility among all of them; see :mod:`seq2seq.decoding.mbr`."""
    # Metrics take a while to import, and only this needs them.
    from seq2seq.decoding.mbr import expected_utilities, weights_of_list

    candidates = unique(outputs)
    if options.sample:
        counts = Counter(output.text for output in outputs)
        weights = [counts[output.text] / len(outputs) for output in candidates]
    else:
        weights = weights_of_list([output.log_prob for output in candidates])
    utilities = expected_utilities([output.text for output in candidates], weights, criterion)
    scored = [replace(output, score=utility) for output, utility in zip(candidates, utilities, strict=True)]
    return sorted(scored, key=lambda output: -output.score)


def coverage_penalty(attention: "Tensor", beta: float) -> float:
    """``β Σ_i log min(Σ_j a_ij, 1)`` over source positions i and output tokens j (Wu et al. 2016, eq. 14).

    Args:
        attention: weights (T, S) without padding.
        beta: β.
    """
    return beta * float(attention.sum(0).clamp(1e-9, 1.0).log().sum())


def to_translation(hypothesis: Hypothesis, vocabulary: Subword, most: int) -> Translation:
    """Text of a hypothesis of at most ``most`` tokens, on one line."""
    # Byte pieces can spell any control character: whatever a program may take for a line break becomes a space.
    text = " ".join(vocabulary.decode(hypothesis.tokens).split())
    pieces = tuple(vocabulary.pieces(hypothesis.tokens))
    cut = len(pieces) >= most
    return Translation(text, hypothesis.score, pieces, hypothesis.tokens, hypothesis.log_prob, cut)
