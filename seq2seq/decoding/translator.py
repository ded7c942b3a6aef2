"""Sentences in, sentences out: subwords and batches around trained models."""

from collections.abc import Iterator, Sequence

from seq2seq.config import DecodingConfig
from seq2seq.corpus.batching import Batch, collate
from seq2seq.decoding.demands import Demands
from seq2seq.decoding.memory import within_budget
from seq2seq.decoding.outputs import Translation
from seq2seq.decoding.system import Member, System


class Translator(System):
    """Trained models that read text.

    An empty sentence (nothing but white space) has one, empty, translation. A source longer than
    ``config.data.max_tokens`` is cut there: the model never saw a longer one.
    """

    of_pictures = False

    def translate(
        self, sentences: Sequence[str], options: DecodingConfig | None = None, demands: Demands | None = None
    ) -> list[Translation]:
        """The best translation of each sentence, in the order given."""
        return self.best(sentences, options, demands)

    def batches(self, sources: Sequence[str], targets: Sequence[Sequence[int]] | None = None) -> list[Batch]:
        """Sentences, and maybe the ids of their translations, as each member reads them."""
        return [
            collate([_read(member, source) for source in sources], targets, reverse=member.config.model.reverse_source)
            for member in self.members
        ]

    def fill(self, sources: Sequence[str], budget: int) -> Iterator[Sequence[int]]:
        """Numbers of sentences of about one length, which need little padding."""
        sizes = self.sizes(sources)
        # Longest first shows a lack of memory at once.
        by_length = sorted((row for row, size in enumerate(sizes) if size), key=lambda row: -sizes[row])
        yield from within_budget(by_length, [sizes[row] + 1 for row in by_length], budget)

    def sizes(self, sources: Sequence[str]) -> list[int]:
        """Tokens of each sentence, as the first member reads it."""
        return [len(_read(self.members[0], source)) for source in sources]

    def is_cut(self, sentence: str) -> bool:
        """Whether a sentence is too long to be read to its end."""
        most = self.config.data.max_tokens
        # No token is shorter than a byte, save for the mark of the first word.
        return len(sentence.encode("utf-8", "replace")) >= most and len(self.vocabularies.src.encode(sentence)) > most


def _read(member: Member, sentence: str) -> list[int]:
    return member.vocabularies.src.encode(sentence)[: member.config.data.max_tokens]
