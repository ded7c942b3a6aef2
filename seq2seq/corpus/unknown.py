"""How much of a corpus its vocabularies do not know.

``<unk>`` counts as a token like any other, so that perplexity looks good where half of the words are unknown.
"""

from collections.abc import Mapping, Sequence

from seq2seq.corpus.subword import UNK
from seq2seq.errors import warn

# More than this makes scores of the kind doubtful.
_HIGH = 0.05

Shares = Mapping[str, Mapping[str, float]]
"""By part (``training``, ``validation``, ``test``) and side (``src``, ``tgt``), from 0 to 1."""


def unknown_share(sentences: Sequence[Sequence[int]]) -> float:
    """Share of the tokens that are ``<unk>``, from 0 to 1."""
    return sum(ids.count(UNK) for ids in sentences) / max(sum(map(len, sentences)), 1)


def unknown_in_words(shares: Shares) -> str:
    """``1.2% of src, 0.4% of tgt in validation; …``, of the parts that have any; empty if none has."""
    parts = {
        part: ", ".join(f"{share:.1%} of {side}" for side, share in sides.items() if share)
        for part, sides in shares.items()
    }
    return "; ".join(f"{sides} in {part}" for part, sides in parts.items() if sides)


def warn_of_unknown(shares: Shares) -> None:
    """A warning where a part has over 5 % unknown tokens."""
    high = {part: {side: share for side, share in sides.items() if share > _HIGH} for part, sides in shares.items()}
    if found := unknown_in_words(high):
        warn(
            f"unknown tokens: {found}; perplexity takes each for a right word: learn smaller pieces (subword.type), "
            "a larger vocabulary (subword.vocab_size), or set subword.byte_fallback = true"
        )
