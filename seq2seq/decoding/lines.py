"""The translation filter: bytes in, as many lines of bytes out, whatever the bytes are."""

import select
import sys
from collections.abc import Iterator
from typing import BinaryIO

from seq2seq.config import DecodingConfig
from seq2seq.decoding.translator import Translator

# Lines are translated together as they arrive, up to this many bytes: enough to fill batches, little to hold.
_BLOCK = 1 << 20


def translate_stream(
    translator: Translator, source: BinaryIO, target: BinaryIO, options: DecodingConfig, *, nbest: int = 0
) -> None:
    """Translates every line of ``source`` to one line of ``target``.

    A line ends at a line feed only; a last line without one counts. Invalid UTF-8 becomes U+FFFD. What has
    arrived is translated at once, so it answers a person line by line and a file in big batches.

    Args:
        translator: a loaded model.
        source: unbuffered or not, a stream of bytes.
        target: where translations go, flushed after every block.
        options: beam, length penalty and batch size.
        nbest: 0: one translation a line; else that many lines ``id ||| text ||| score`` for each.
    """
    number = 0
    for block in _blocks(source):
        sentences = [line.decode("utf-8", "replace") for line in block]
        for offset, sentence in enumerate(sentences):
            if translator.is_cut(sentence):
                print(
                    f"warning: line {number + offset + 1} has over {translator.config.data.max_tokens} subwords; "
                    "only the first were read (data.max_tokens)",
                    file=sys.stderr,
                )
        for found in translator.nbest(sentences, max(nbest, 1), options):
            if nbest:
                lines = [f"{number} ||| {entry.text} ||| {entry.score:.4f}" for entry in found]
            else:
                lines = [found[0].text]
            target.write("".join(f"{line}\n" for line in lines).encode())
            number += 1
        target.flush()


def _blocks(source: BinaryIO) -> Iterator[list[bytes]]:
    """Complete lines, without their ends, in groups of those that have arrived."""
    pending: list[bytes] = []
    held, complete = 0, False
    while chunk := _read_some(source):
        pending.append(chunk)
        held += len(chunk)
        complete = complete or b"\n" in chunk
        if complete and (held >= _BLOCK or not _has_more(source)):
            *lines, rest = b"".join(pending).split(b"\n")
            yield lines
            pending, held, complete = [rest], len(rest), False
    *lines, rest = b"".join(pending).split(b"\n")
    if rest:
        lines.append(rest)
    if lines:
        yield lines


def _read_some(source: BinaryIO) -> bytes:
    """Whatever is there, after waiting for the first byte; nothing at the end."""
    read = getattr(source, "read1", source.read)
    chunk: bytes = read(_BLOCK)
    return chunk


def _has_more(source: BinaryIO) -> bool:
    """Whether a read would not have to wait."""
    try:
        return bool(select.select([source], [], [], 0)[0])
    except (OSError, ValueError):  # not a file the system can watch, such as BytesIO
        return True
