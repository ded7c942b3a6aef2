"""Sentences in, sentences out: subwords and batches around a trained model."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from seq2seq.config import DecodingConfig
from seq2seq.corpus.batching import Batch, collate
from seq2seq.decoding.system import System, Translation

Item = TypeVar("Item")


class Translator(System):
    """A trained model that reads text."""

    of_pictures = False

    def translate(self, sentences: Sequence[str], options: DecodingConfig | None = None) -> list[Translation]:
        """The best translation of each sentence, in the order given."""
        return self.best(sentences, options)

    def nbest(
        self, sources: Sequence[str], count: int, options: DecodingConfig | None = None
    ) -> list[list[Translation]]:
        """Up to ``count`` translations of each sentence, best first.

        An empty sentence (nothing but white space) has one, empty, translation. A source longer than
        ``config.data.max_tokens`` is cut there: the model never saw a longer one.
        """
        options = options or self.config.decoding
        ids = [self._read(sentence) for sentence in sources]
        outputs = [[Translation("", 0.0, (), ())] for _ in sources]
        # Sentences of one length make batches without padding; longest first shows a lack of memory at once.
        by_length = sorted((row for row, source in enumerate(ids) if source), key=lambda row: -len(ids[row]))
        lengths = [len(ids[row]) + 1 for row in by_length]
        for rows in _fill(by_length, lengths, options.batch_tokens // options.beam):
            batch = collate([ids[row] for row in rows], reverse=self.config.model.reverse_source)
            longest = [options.max_length or 2 * len(ids[row]) + 10 for row in rows]
            for row, found in zip(rows, self.decode(batch, longest, options), strict=True):
                outputs[row] = found[:count]
        return outputs

    def batch(self, sources: Sequence[str], targets: Sequence[Sequence[int]]) -> Batch:
        """Sentences and the ids of their translations."""
        return collate([self._read(source) for source in sources], targets, reverse=self.config.model.reverse_source)

    def is_cut(self, sentence: str) -> bool:
        """Whether a sentence is too long to be read to its end."""
        most = self.config.data.max_tokens
        # No token is shorter than a byte, save for the mark of the first word.
        return len(sentence.encode("utf-8", "replace")) >= most and len(self.vocabularies.src.encode(sentence)) > most

    def _read(self, sentence: str) -> list[int]:
        return self.vocabularies.src.encode(sentence)[: self.config.data.max_tokens]


def _fill(items: Sequence[Item], lengths: Sequence[int], budget: int) -> Iterator[Sequence[Item]]:
    """Runs of items whose count times their longest length stays within the budget, one item at least."""
    start = 0
    for end in range(1, len(items) + 1):
        if end == len(items) or (end + 1 - start) * max(lengths[start], lengths[end]) > budget:
            yield items[start:end]
            start = end
