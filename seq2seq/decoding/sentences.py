"""Sentences as token ids, grouped so that a batch has little padding; without importing torch."""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from seq2seq.decoding.batches import within_budget

if TYPE_CHECKING:
    from seq2seq.decoding.readers import Member
    from seq2seq.runs.files import RunFiles


Trained: TypeAlias = "Member | RunFiles"
"""What says how a trained model reads and writes."""


class SentenceReader:
    """Sentences; longer ones than ``data.max_tokens`` are truncated, since the model was never trained on any.

    Args:
        members: the models that read them.
    """

    def __init__(self, members: Sequence[Trained]) -> None:
        self._members = members
        # A sentence is asked for several times: for its length, and by each member.
        self.ids = lru_cache(maxsize=1 << 12)(self._encode)

    def group(self, sources: Sequence[str], budget: int) -> Iterator[Sequence[int]]:
        """Row numbers of the sentences to decode together, at most ``budget`` tokens a group, none of them empty.

        Sentences of a group have similar lengths, so that they need little padding. The longest groups come first, so
        that a lack of memory shows at once.
        """
        lengths = self.lengths(sources)
        by_length = sorted((row for row, length in enumerate(lengths) if length), key=lambda row: -lengths[row])
        yield from within_budget(by_length, [lengths[row] + 1 for row in by_length], budget)

    def lengths(self, sources: Sequence[str]) -> list[int]:
        """Tokens of each sentence, as the first member reads it."""
        return [len(self.ids(0, source)) for source in sources]

    def is_cut(self, sentence: str) -> bool:
        """Whether a sentence is longer than ``data.max_tokens``, so that only its beginning is read."""
        first = self._members[0]
        most = first.config.data.max_tokens
        # No token is shorter than a byte, save for the mark of the first word.
        return len(sentence.encode("utf-8", "replace")) >= most and len(first.vocabularies.src.encode(sentence)) > most

    def _encode(self, number: int, sentence: str) -> tuple[int, ...]:
        """Token ids of a sentence, as a member reads it."""
        # Nothing but white space and characters of no width, such as U+200B and U+2060, is no text.
        if all(one.isspace() or unicodedata.category(one) == "Cf" for one in sentence):
            return ()
        member = self._members[number]
        return tuple(member.vocabularies.src.encode(sentence)[: member.config.data.max_tokens])
