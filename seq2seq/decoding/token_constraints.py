"""Constraints on outputs as tokens of a vocabulary.

Shapes: ``V`` vocabulary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from seq2seq.corpus.normalise import normalise
from seq2seq.corpus.subword import UNK, Subword
from seq2seq.decoding.constraints import Constraints, contains, joins
from seq2seq.search.constrained import PhraseProgress
from seq2seq.search.rules import Phrase


@dataclass(frozen=True, slots=True)
class TokenConstraints:
    """Constraints as tokens.

    What the vocabulary cannot write is left out, since no output could contain it.
    """

    prefixes: list[list[int]]
    """One for each source, up to its first unknown word; empty if no output has a prefix."""
    required: list[list[Phrase]]
    """For each source its phrases, without those that have unknown words or are part of another one."""
    blocked: tuple[Phrase, ...]
    """Every segmentation of each phrase."""
    banned: tuple[int, ...]
    """Tokens that have a blocked phrase inside."""
    word_start: Tensor
    """Tokens before which a word is complete, (V,)."""
    word_end: Tensor
    """Tokens after which a word begins, whatever comes next, (V,)."""

    @classmethod
    def of(cls, constraints: Constraints, tgt: Subword, device: torch.device) -> "TokenConstraints":
        """Encodes constraints with a vocabulary."""
        required = [
            [tuple(tgt.encode(phrase, joined=joins(phrase))) for phrase in _longest(phrases)]
            for phrases in constraints.required
        ]
        searched = constraints.blocked and tgt.config.type != "word"
        pieces = [piece.replace("\u2581", " ") for piece in tgt.pieces(range(len(tgt)))] if searched else ()
        return cls(
            prefixes=[_known(tgt.encode(prefix)) for prefix in constraints.prefixes],
            required=[[phrase for phrase in phrases if UNK not in phrase] for phrases in required],
            blocked=tuple(tuple(ids) for phrase in constraints.blocked for ids in tgt.spellings(phrase)),
            banned=tuple(
                token
                for token, piece in enumerate(pieces)
                if any(phrase != piece.strip() and contains(piece, phrase) for phrase in constraints.blocked)
            ),
            word_start=torch.tensor(tgt.word_start(), device=device),
            word_end=torch.tensor(tgt.word_end(), device=device),
        )

    def needed(self, row: int) -> int:
        """The least number of tokens of an output that satisfies the constraints on source ``row``."""
        prefix = self.prefixes[row] if self.prefixes else []
        progress = PhraseProgress(tuple(self.required[row]) if self.required else ())
        for token in prefix:
            progress = progress.after(token, inside=not self.word_start[token])
        return len(prefix) + progress.remaining


def _longest(phrases: Sequence[str]) -> list[str]:
    """Each phrase once, without those that are part of another one."""
    unique = list(dict.fromkeys(map(normalise, phrases)))
    return [phrase for phrase in unique if not any(contains(other, phrase) for other in unique if other != phrase)]


def _known(ids: list[int]) -> list[int]:
    return ids[: ids.index(UNK)] if UNK in ids else ids
