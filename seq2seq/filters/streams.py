"""What all filters do with lines: bytes to text, whatever they are, and a word where the end is not read."""

from collections.abc import Iterable, Iterator, Sequence

from seq2seq.decoding.translator import Translator
from seq2seq.errors import warn


def to_text(line: bytes) -> str:
    """A line without its end; what is not UTF-8 becomes U+FFFD."""
    return line.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")


def to_texts(lines: Iterable[bytes]) -> Iterator[str]:
    """Each line of a stream of bytes, which ends at a line feed only."""
    return map(to_text, lines)


def warn_of_cuts(translator: Translator, sentences: Sequence[str], first: int) -> None:
    """Names sources that are too long to be read to their end, the first of which is line ``first``, counted from 0."""
    for number, sentence in enumerate(sentences, first + 1):
        if translator.is_cut(sentence):
            warn(
                f"line {number} has over {translator.config.data.max_tokens} subwords; "
                "only the first were read (data.max_tokens)"
            )
