"""Log-probabilities of given outputs as text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from seq2seq.config import DecodingConfig
from seq2seq.corpus.pairs import Pair
from seq2seq.decoding.ensemble import Ensemble
from seq2seq.decoding.scoring import as_read, token_log_probs


@dataclass(frozen=True, slots=True)
class PairScore:
    """What a model thinks of an output for a source."""

    tokens: tuple[str, ...]
    """Subword pieces of the output, and ``</s>`` for its end."""
    log_probs: tuple[float, ...]
    """Log-probability of each, given those before it, in nats."""

    @property
    def log_prob(self) -> float:
        """The output's, log p(output | source), in nats (Sutskever et al. 2014, eq. 1)."""
        return sum(self.log_probs)

    @property
    def per_token(self) -> float:
        """Log-probability divided by the number of tokens, the end mark included."""
        return self.log_prob / len(self.log_probs)


def score_pairs(
    ensemble: Ensemble, sources: Sequence[str], targets: Sequence[str], options: DecodingConfig | None = None
) -> list[PairScore]:
    """The score of each target as an output for its source.

    An empty source has one output, the empty one, with log-probability 0; that of any other is minus infinity.

    Args:
        ensemble: one model or several.
        sources: sentences, or pictures by name.
        targets: as many texts.
        options: how an ensemble is combined; None: as the first member's ``[decoding]`` says.
    """
    tgt = ensemble.vocabularies.tgt
    read = [as_read(ensemble, Pair(*pair)) for pair in zip(sources, targets, strict=True)]
    ids = [tgt.encode(pair.tgt) for pair in read]
    rows = [row for row, source in enumerate(sources) if not ensemble.is_empty(source)]
    found = token_log_probs(ensemble, [read[row].src for row in rows], [ids[row] for row in rows], options)
    log_probs = dict(zip(rows, found, strict=True))

    def scored(row: int) -> PairScore:
        pieces = (*tgt.pieces(ids[row]), "</s>")
        if row in log_probs:
            return PairScore(pieces, tuple(log_probs[row].tolist()))
        return PairScore(pieces[:1], (-math.inf if ids[row] else 0.0,))

    return [scored(row) for row in range(len(ids))]
