"""Log-probabilities of given translations: a line for each pair."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import BinaryIO

from seq2seq.config import DecodingConfig
from seq2seq.corpus.pairs import Pair
from seq2seq.decoding.scoring import as_read, token_log_probs
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
    total, tgt = Total(), translator.vocabularies.tgt
    remaining, first = iter(pairs), 0
    while block := list(islice(remaining, _PAIRS)):
        warn_of_cuts(translator, [pair.src for pair in block], first)
        first += len(block)
        read = [as_read(translator, pair) for pair in block]
        targets = [tgt.encode(pair.tgt) for pair in read]
        rows = [row for row, pair in enumerate(block) if not translator.is_empty(pair.src)]
        scores = token_log_probs(translator, [read[row].src for row in rows], [targets[row] for row in rows], options)
        scored = dict(zip(rows, scores, strict=True))
        for row, ids in enumerate(targets):
            log_probs = scored[row].tolist() if row in scored else [-math.inf if ids else 0.0]
            log_prob, count = sum(log_probs), len(log_probs)
            columns = [f"{log_prob:.4f}", f"{log_prob / count:.4f}", str(count)]
            if with_tokens:
                pieces = [*tgt.pieces(ids), "</s>"][:count]
                columns.append(" ".join(f"{piece}:{value:.4f}" for piece, value in zip(pieces, log_probs, strict=True)))
            target.write(("\t".join(columns) + "\n").encode())
            if row in scored:
                total = Total(total.pairs + 1, total.tokens + count, total.log_prob + log_prob)
    return total
