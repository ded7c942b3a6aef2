"""Log-probabilities of given translations: a line for each pair."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import BinaryIO

from seq2seq.config import DecodingConfig
from seq2seq.corpus.pairs import Pair
from seq2seq.decoding.pair_scores import score_pairs
from seq2seq.decoding.translator import Translator
from seq2seq.errors import CorpusError
from seq2seq.filters.streams import open_file, to_texts, warn_of_cuts

# Pairs that are read at once.
_PAIRS = 1024


@dataclass(slots=True)
class Total:
    """Sums over all pairs."""

    pairs: int = 0
    tokens: int = 0
    log_prob: float = 0.0

    def summary(self) -> str:
        """One line with the sums and the perplexity."""
        perplexity = math.exp(min(-self.log_prob / max(self.tokens, 1), 700))
        return (
            f"{self.pairs} pairs, {self.tokens} target tokens with end marks: "
            f"log-probability {self.log_prob:.2f}, perplexity {perplexity:.3f}"
        )


def read_pairs(source: Iterable[bytes], src: Path | None, tgt: Path | None) -> Iterator[Pair]:
    """Pairs of two files, or of a stream of ``source<TAB>target`` lines.

    Raises:
        CorpusError: a line without a tab, or files of different lengths.
    """
    if src and tgt:
        with open_file(src) as sources, open_file(tgt) as targets:
            for number, (source_line, target_line) in enumerate(zip_longest(to_texts(sources), to_texts(targets)), 1):
                if source_line is None or target_line is None:
                    shorter = src if source_line is None else tgt
                    raise CorpusError(f"{shorter} ends before line {number}, the other file does not")
                yield Pair(source_line, target_line)
        return
    for number, line in enumerate(to_texts(source), 1):
        left, tab, right = line.partition("\t")
        if not tab:
            raise CorpusError(f"line {number}: expected 'source<TAB>target', found no tab in {left[:60]!r}")
        yield Pair(left, right)


def score_stream(
    translator: Translator,
    pairs: Iterable[Pair],
    target: BinaryIO,
    options: DecodingConfig,
    *,
    with_tokens: bool = False,
) -> Total:
    """Writes for each pair log p(target | source) in nats, the same by token, and the number of tokens.

    The end mark counts as a token. An empty source has one translation, the empty one, with log-probability 0; that of
    any other is minus infinity. With ``with_tokens`` a fourth column has ``piece:log-probability`` for each token.
    """
    total, remaining, first = Total(), iter(pairs), 0
    while block := list(islice(remaining, _PAIRS)):
        sources = [pair.src for pair in block]
        warn_of_cuts(translator, sources, first)
        first += len(block)
        for source, score in zip(
            sources, score_pairs(translator, sources, [pair.tgt for pair in block], options), strict=True
        ):
            count = len(score.log_probs)
            columns = [f"{score.log_prob:.4f}", f"{score.per_token:.4f}", str(count)]
            if with_tokens:
                pieces = zip(score.tokens, score.log_probs, strict=True)
                columns.append(" ".join(f"{piece}:{value:.4f}" for piece, value in pieces))
            target.write(("\t".join(columns) + "\n").encode())
            if not translator.is_empty(source):
                total = Total(total.pairs + 1, total.tokens + count, total.log_prob + score.log_prob)
    return total
