"""The table ``[subword]``: how text becomes token ids."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from seq2seq.config.ranges import Range, range_faults


@dataclass(frozen=True, kw_only=True, slots=True)
class SubwordConfig:
    """How text becomes token ids."""

    type: Literal["auto", "unigram", "bpe", "char", "word"] = "auto"
    """``auto``: ``char`` for short texts of few words or in a small corpus, else ``unigram``."""
    tgt_type: Literal["same", "unigram", "bpe", "char", "word"] = "same"
    """Pieces of the target's own vocabulary: letters to phonemes are ``char`` to ``word``."""
    joint: bool = True
    """One vocabulary for both sides, learned on both."""
    vocab_size: Annotated[int | Literal["auto"], Range(8, 1_000_000)] = "auto"
    """Pieces of the joint vocabulary, or of the source's; ``auto``: as many as the corpus can teach, for each side."""
    tgt_vocab_size: Annotated[int, Range(0, 1_000_000)] = 0
    """Pieces of the target's own vocabulary; 0: as many as the source's."""
    byte_fallback: bool = True
    """Spell characters outside the vocabulary as bytes, so that any text can be encoded; not for ``word``."""
    sampling: Annotated[float, Range(0, 1)] = 0.0
    """Subword regularisation (Kudo 2018): each epoch samples another segmentation of a sentence; 0: none.

    ``unigram``: 0.1 to 0.5 is usual, smaller is noisier; ``bpe``: share of merges left out, 0.1 is usual.
    """
    train_sentences: Annotated[int, Range(101, 1_000_000_000)] = 1_000_000  # sentencepiece refuses fewer
    """Sentences, sampled uniformly, that a subword model is learned from at most; ``word`` counts all."""

    def of_target(self) -> "SubwordConfig":
        """The settings of the target's own vocabulary, as if they were the source's."""
        kind = self.type if self.tgt_type == "same" else self.tgt_type
        return replace(self, type=kind, tgt_type="same", vocab_size=self.tgt_vocab_size or self.vocab_size)


def subword_faults(subword: SubwordConfig) -> Iterator[str]:
    """Every reason why these settings cannot work."""
    yield from range_faults("subword", subword)
    if subword.joint and subword.tgt_vocab_size:
        yield f"subword.tgt_vocab_size = {subword.tgt_vocab_size} must be 0 when subword.joint = true"
    if subword.joint and subword.tgt_type != "same":
        yield f'subword.tgt_type = "{subword.tgt_type}" must be "same" when subword.joint = true'
    for kind in dict.fromkeys((subword.type, subword.of_target().type)) if subword.sampling else ():
        if kind not in ("unigram", "bpe"):
            yield f'subword.sampling = {subword.sampling} needs subword.type = "unigram" or "bpe", found "{kind}"'
