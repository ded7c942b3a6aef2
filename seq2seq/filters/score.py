"""Pairs in, log-probabilities out, as many lines."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import BinaryIO

from seq2seq.config import DecodingConfig
from seq2seq.corpus.pairs import Pair
from seq2seq.decoding.scoring import token_log_probs
from seq2seq.decoding.translator import Translator
from seq2seq.errors import CorpusError
from seq2seq.filters.streams import to_text, warn_of_cuts

_TOGETHER = 1024


@dataclass(slots=True)
class Total:
    """Sums over all pairs."""

    pairs: int = 0
    tokens: int = 0
    log_prob: float = 0.0

    def summary(self) -> str:
        """One line: how likely the targets are on the whole."""
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
        with src.open("rb") as ours, tgt.open("rb") as theirs:
            for number, (one, other) in enumerate(zip_longest(ours, theirs), 1):
                if one is None or other is None:
                    raise CorpusError(
                        f"{src if one is None else tgt} ends before line {number}, the other file does not"
                    )
                yield Pair(to_text(one), to_text(other))
        return
    for number, line in enumerate(source, 1):
        left, tab, right = to_text(line).partition("\t")
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
    """Writes for each pair log p(target | source) in nats, that divided by the tokens, and how many these are.

    The end mark counts as a token. An empty source has an empty translation: that one has log-probability 0, any other
    minus infinity. With ``with_tokens`` a fourth column has ``piece:log-probability`` for each token.
    """
    total, tgt = Total(), translator.vocabularies.tgt
    remaining, seen = iter(pairs), 0
    while some := list(islice(remaining, _TOGETHER)):
        warn_of_cuts(translator, [pair.src for pair in some], seen)
        seen += len(some)
        ids = [tgt.encode(pair.tgt) for pair in some]
        full = [row for row, pair in enumerate(some) if not translator.is_empty(pair.src)]
        scored = token_log_probs(translator, [some[row].src for row in full], [ids[row] for row in full], options)
        found = dict(zip(full, scored, strict=True))
        for row, own in enumerate(ids):
            each = found[row].tolist() if row in found else [-math.inf if own else 0.0]
            log_prob, count = sum(each), len(each)
            columns = [f"{log_prob:.4f}", f"{log_prob / count:.4f}", str(count)]
            if with_tokens:
                pieces = [*tgt.pieces(own), "</s>"][:count]
                columns.append(" ".join(f"{piece}:{value:.4f}" for piece, value in zip(pieces, each, strict=True)))
            target.write(("\t".join(columns) + "\n").encode())
            if row in found:
                total = Total(total.pairs + 1, total.tokens + count, total.log_prob + log_prob)
    return total
