"""Lines of any bytes as text, and a warning for each that a model does not read to its end."""

from collections.abc import Iterable, Iterator, Sequence

from seq2seq.decoding.translator import Translator
from seq2seq.errors import warn


def to_text(line: bytes) -> str:
    """A line without its line feed; invalid UTF-8 becomes U+FFFD."""
    return line.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r")


def to_texts(lines: Iterable[bytes]) -> Iterator[str]:
    """The lines of a stream of bytes; a line ends at a line feed only."""
    return map(to_text, lines)


def warn_of_cuts(translator: Translator, sentences: Sequence[str], first: int) -> None:
    """Warns of sources that are truncated; the first sentence is line ``first``, counted from 0."""
    for number, sentence in enumerate(sentences, first + 1):
        if translator.is_cut(sentence):
            warn(
                f"line {number} has over {translator.config.data.max_tokens} subwords; "
                "only the first were read (data.max_tokens)"
            )
