"""Lines of any bytes as text, and a warning for each that a model does not read to its end."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from seq2seq.corpus.text_files import DAMAGED, GZIP, NOT_TEXT, XZ, unpacked
from seq2seq.decoding.quick import QuickTranslator
from seq2seq.errors import CorpusError, warn

if TYPE_CHECKING:
    from seq2seq.decoding.translator import Translator

AnyTranslator: TypeAlias = "Translator | QuickTranslator"

# How streams begin that are no UTF-8, what they are, and what turns them into it. UTF-32's mark begins with UTF-16's.
_MARKS = {
    GZIP: ("gzip", "unpack it with gunzip -c"),
    XZ: ("xz", "unpack it with xz -dc"),
    b"\xff\xfe\0\0": ("UTF-32", "convert it with iconv -f UTF-32 -t UTF-8"),
    b"\0\0\xfe\xff": ("UTF-32", "convert it with iconv -f UTF-32 -t UTF-8"),
    b"\xff\xfe": ("UTF-16", "convert it with iconv -f UTF-16 -t UTF-8"),
    b"\xfe\xff": ("UTF-16", "convert it with iconv -f UTF-16 -t UTF-8"),
    **NOT_TEXT,
}
# After so many bytes a stream of which more than this share is no text has shown what it is.
_ENOUGH_BYTES, _MOST_UNREADABLE = 1000, 1 / 3


class LineDecoder:
    """Turns the lines of one stream into text, one after the other.

    A line loses its line feed; invalid UTF-8 becomes U+FFFD, of which the first line that has any warns. A stream that
    is mostly no text is refused once enough of it has come.

    Args:
        stream: the lines; its name, if it has one, is for messages.
    """

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._name = str(getattr(stream, "name", "the input")).strip("<>")
        self._taken, self._warned = 0, False
        self._bytes, self._unreadable = 0, 0

    def __call__(self, line: bytes) -> str:
        """The text of the next line.

        Raises:
            CorpusError: the stream is packed, in another encoding, or no text at all.
        """
        if self._taken == 0:
            self._check_mark(line)
        self._taken += 1
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            text = line.decode(errors="replace")
            self._unreadable += len(line) - len(line.decode(errors="ignore").encode())
            if not self._warned:
                self._warned = True
                warn(
                    f"{self._name}, line {self._taken}: expected UTF-8, found {line[error.start : error.start + 4]!r}; "
                    "such bytes are read as U+FFFD, here and below; convert text, for example with "
                    "iconv -f LATIN1 -t UTF-8"
                )
        self._bytes += len(line)
        self._unreadable += line.count(0)
        if self._bytes >= _ENOUGH_BYTES and self._unreadable > _MOST_UNREADABLE * self._bytes:
            raise CorpusError(
                f"{self._name}, line {self._taken}: expected text in UTF-8, found that {self._unreadable:,} of "
                f"{self._bytes:,} bytes so far are none: give text, or convert it, for example with iconv -t UTF-8"
            )
        return text.removesuffix("\n").removesuffix("\r")

    def _check_mark(self, line: bytes) -> None:
        for mark, (kind, remedy) in _MARKS.items():
            if line.startswith(mark):
                raise CorpusError(f"{self._name}: expected lines in UTF-8, found the mark of {kind}: {remedy}")


def to_texts(lines: Iterable[bytes]) -> Iterator[str]:
    """The lines of a stream of bytes as :class:`LineDecoder` reads them; a line ends at a line feed only."""
    to_text = LineDecoder(lines)
    for line in lines:  # no map: a terminal at its end would be read again
        yield to_text(line)


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked if it is a gzip or xz file.

    Raises:
        CorpusError: it cannot be opened, or its packed content is damaged.
    """
    try:
        stream = path.open("rb")
    except OSError as error:
        raise CorpusError(f"{path} cannot be read: {error.strerror}") from None
    with stream:
        try:
            yield unpacked(stream)
        except DAMAGED as error:
            raise CorpusError(f"{path} is a damaged packed file: {error}; fetch or copy it again") from None


def file_texts(path: Path) -> Iterator[str]:
    """The lines of a file, plain or packed, as :func:`to_texts` reads them."""
    with open_file(path) as stream:
        yield from to_texts(stream)


def warn_of_cuts(translator: AnyTranslator, sentences: Sequence[str], first: int) -> None:
    """Warns of sources that are truncated; the first sentence is line ``first``, counted from 0."""
    for number, sentence in enumerate(sentences, first + 1):
        if translator.is_cut(sentence):
            warn(
                f"line {number} has over {translator.config.data.max_tokens} subwords; "
                "only the first were read (data.max_tokens)"
            )
