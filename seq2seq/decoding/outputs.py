"""From token ids to what a user reads: text, unknown words, lists without repetitions."""

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from seq2seq.config import DecodingConfig
from seq2seq.corpus.subword import UNK, Subword, normalise
from seq2seq.corpus.words import split_words
from seq2seq.decoding.mbr import expected_utilities, weights_of_list
from seq2seq.search.hypothesis import Hypothesis


@dataclass(frozen=True, slots=True)
class Translation:
    """One output for one source."""

    text: str
    """Detokenised."""
    score: float
    """What outputs are ranked by: the log-probability in nats divided by the length penalty, with coverage; the
    expected utility if minimum Bayes risk chose; 0 for an empty source."""
    tokens: tuple[str, ...]
    """Subword pieces of the output."""
    ids: tuple[int, ...]
    """Their numbers in the target vocabulary."""
    log_prob: float = 0.0
    """log p(output | source), in nats."""

    @property
    def per_token(self) -> float:
        """Log-probability by the number of tokens, the end mark included."""
        return self.log_prob / (len(self.ids) + 1)


EMPTY = Translation("", 0.0, (), ())
"""For an empty source."""


def seed_of(seed: int, source: str) -> tuple[int, int]:
    """What the draws for a source begin from: neither its place nor its company matters."""
    return seed, zlib.crc32(source.encode("utf-8", "replace"))


def fill_unknown(tokens: Sequence[str], ids: Sequence[int], source: str, looks: Tensor) -> list[str]:
    """Pieces with the most attended source word in the place of each unknown one (Luong et al. 2015b, §3.2).

    Args:
        tokens: of the output.
        ids: the same.
        source: the sentence, of a model that reads words in their order or, see ``looks``, back to front.
        looks: attention of each token over the words of the source in their order, (T, S).
    """
    words = split_words(normalise(source))
    return [
        words[min(int(looks[place, : len(words)].argmax()), len(words) - 1)] if number == UNK and words else token
        for place, (token, number) in enumerate(zip(tokens, ids, strict=True))
    ]


def unique(outputs: Sequence[Translation]) -> list[Translation]:
    """Each text once, with the best of its scores, best first."""
    best: dict[str, Translation] = {}
    for output in sorted(outputs, key=lambda output: -output.score):
        best.setdefault(output.text, output)
    return list(best.values())


def least_risk(outputs: Sequence[Translation], options: DecodingConfig) -> list[Translation]:
    """Each text once, scored and ranked by its expected utility among all of them; see :mod:`seq2seq.decoding.mbr`."""
    each = unique(outputs)
    if options.sample:
        counts = Counter(output.text for output in outputs)
        weights = [counts[output.text] / len(outputs) for output in each]
    else:
        weights = weights_of_list([output.log_prob for output in each])
    utilities = expected_utilities([output.text for output in each], weights, "chrf")
    scored = [
        Translation(output.text, utility, output.tokens, output.ids, output.log_prob)
        for output, utility in zip(each, utilities, strict=True)
    ]
    return sorted(scored, key=lambda output: -output.score)


def coverage_penalty(looks: Tensor, beta: float) -> float:
    """``β Σ_i log min(Σ_j a_ij, 1)`` over source positions i and output tokens j (Wu et al. 2016, eq. 14).

    Args:
        looks: attention weights (T, S) without padding.
        beta: β.
    """
    return beta * float(looks.sum(0).clamp(1e-9, 1.0).log().sum())


def to_translation(hypothesis: Hypothesis, vocabulary: Subword) -> Translation:
    """Text of a hypothesis, on one line."""
    # Bytes can spell any control character: whatever some program takes for a line's end is a space.
    text = " ".join(vocabulary.decode(hypothesis.tokens).split())
    pieces = tuple(vocabulary.pieces(hypothesis.tokens))
    return Translation(text, hypothesis.score, pieces, hypothesis.tokens, hypothesis.log_prob)
