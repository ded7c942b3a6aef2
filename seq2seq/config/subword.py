"""The table ``[subword]``: how text becomes token ids."""

import re
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
    symbols: tuple[str, ...] = ()
    """Texts that are one token each, for example ``⟨name⟩``: never split, and with a place in every vocabulary."""
    protect: tuple[str, ...] = ()
    """What a source hands on to its output as it is: ``url``, ``email``, ``tag``, ``number``, or regular expressions.
    The model reads and writes placeholders in their stead, up to 9 in a sentence; not for pictures."""
    unicode: Literal["nfc", "nfkc"] = "nfc"
    """Normal form of all text; ``nfkc`` also unites variants of a character, such as ``ｆ`` and ``f``."""
    lowercase: bool = False
    """Read and write all text in lower case, references included."""
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
    yield from _placeholder_faults(subword)
    for kind in dict.fromkeys((subword.type, subword.of_target().type)) if subword.sampling else ():
        if kind not in ("unigram", "bpe"):
            yield f'subword.sampling = {subword.sampling} needs subword.type = "unigram" or "bpe", found "{kind}"'


def _placeholder_faults(subword: SubwordConfig) -> Iterator[str]:
    """Faults of what is kept whole."""
    for symbol in subword.symbols:
        if not symbol or symbol.split() != [symbol] or "\u2581" in symbol:
            yield f"subword.symbols has {symbol!r}: expected text without white space and U+2581"
    if len(set(subword.symbols)) < len(subword.symbols):
        yield f"subword.symbols = {list(subword.symbols)} must name each once"
    for pattern in subword.protect:
        try:
            empty = re.fullmatch(f"(?:{pattern})", "")
        except re.error as error:
            yield f"subword.protect has {pattern!r}: expected url, email, tag, number or a regular expression ({error})"
        else:
            if empty:
                yield f"subword.protect has {pattern!r}, which matches text of no length"
