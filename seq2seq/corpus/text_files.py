"""Text files, plain or packed, in UTF-8 or another encoding with a mark; a line ends only at a line feed."""

import codecs
import glob
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from seq2seq.errors import CorpusError

LONGEST = 4_000_000
"""Bytes of a line: longer ones are no sentences; a few bytes of a packed file may unpack to gigabytes of line."""

GZIP, XZ = b"\x1f\x8b\x08", b"\xfd7zXZ\0"
"""How packed files begin."""
DAMAGED = (gzip.BadGzipFile, lzma.LZMAError, zlib.error, EOFError)
"""What a damaged packed file raises where it is read."""

NOT_TEXT = {
    b"PK\x03\x04": ("a zip archive, as spreadsheets are", "save it as CSV, or unpack it"),
    b"\xd0\xcf\x11\xe0": ("an old Office file", "save it as CSV"),
}
"""How files begin that hold no text, what they are, and what makes text of them."""

# UTF-32's mark begins with UTF-16's.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_PACKED = (".gz", ".xz")


def unpacked(stream: io.BufferedReader) -> BinaryIO:
    """What a gzip or xz file holds, told by its first bytes; of another file the file itself."""
    start = stream.peek(len(XZ))
    if start.startswith(GZIP):
        return cast(BinaryIO, gzip.GzipFile(fileobj=stream))
    if start.startswith(XZ):
        return cast(BinaryIO, lzma.LZMAFile(stream))
    return stream


def read_lines(path: Path) -> Iterator[str]:
    """Lines of a text file, without their line feeds and without a byte order mark.

    Gzip and xz files are unpacked. Text is UTF-8, or UTF-16 or UTF-32 if its mark says so.

    Raises:
        CorpusError: it cannot be read, holds no text or is not in that encoding; names the line.
    """
    number, encoding = 1, "utf-8"
    try:
        with path.open("rb") as file:
            stream = io.BufferedReader(cast(io.RawIOBase, unpacked(file)))
            start = stream.peek(4)
            if found := next((what for mark, what in NOT_TEXT.items() if start.startswith(mark)), None):
                raise CorpusError(f"{path}: expected text, found {': '.join(found)}")
            encoding = next((name for mark, name in _MARKS.items() if start.startswith(mark)), "utf-8")
            lines: io.BufferedIOBase | io.TextIOWrapper = stream
            if encoding != "utf-8":
                lines = io.TextIOWrapper(stream, encoding, newline="\n")
            while line := lines.readline(LONGEST + 1):
                if len(line) > LONGEST:
                    raise CorpusError(
                        f"{path}, line {number}: expected a line of at most {LONGEST:,} bytes, found a longer one: "
                        "take it out, or break it into several"
                    )
                text = line if isinstance(line, str) else line.decode("utf-8")
                yield (text.removeprefix("\ufeff") if number == 1 else text).removesuffix("\n")
                number += 1
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path}, line {number}: expected {encoding.upper()}, "
            f"found {error.object[error.start : error.start + 4]!r} at byte {error.start + 1} of the line: "
            "convert the file, for example with iconv -t UTF-8"
        ) from None
    except (OSError, *DAMAGED) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise CorpusError(f"{path} cannot be read from line {number} on: {reason}; fetch or copy it again") from None


def require(path: Path) -> Path:
    """Returns the path of an existing file.

    Raises:
        CorpusError: there is no such file; lists the files of its folder.
    """
    # os.path says no where pathlib raises: of names that are too long, and in folders that must not be entered.
    if not os.path.isfile(path):
        reason = f"{path.parent} is {'a file' if os.path.isfile(path.parent) else 'missing too'}"
        if os.path.isdir(path):
            raise CorpusError(f"{path}: expected a file, found a folder")
        if os.path.isdir(path.parent):
            try:
                reason = f"that folder holds {', '.join(sorted(os.listdir(path.parent))[:8]) or 'nothing'}"
            except OSError as error:
                reason = f"that folder cannot be read ({error.strerror})"
        raise CorpusError(
            f"{path} is missing: {reason}; set data.path and the names in [data], in the recipe or with --set"
        )
    return path


def plain_name(path: Path) -> str:
    """The path without ``.gz`` or ``.xz``."""
    return str(path.with_suffix("")) if path.suffix in _PACKED else str(path)


def find_shards(folder: Path, name: str) -> list[Path]:
    """The files of :func:`shards_of`, of which there is one at least.

    Raises:
        CorpusError: there is none; lists the files of the folder.
    """
    return shards_of(folder, name) or [require(folder / name)]


def shards_of(folder: Path, name: str) -> list[Path]:
    """The file of a name, or all files that match it if it contains ``*``, ``?`` or ``[…]``, sorted; perhaps none.

    Each may be plain, or packed with ``.gz`` or ``.xz`` after its name.
    """
    if os.path.isfile(folder / name):
        return [folder / name]
    packed = [f"{name}{suffix}" for suffix in _PACKED]
    if not glob.has_magic(name):
        return [folder / one for one in packed if os.path.isfile(folder / one)][:1]
    # Of a shard that exists plain and packed, the plain file is read.
    shards = {
        plain_name(path): path
        for pattern in (*packed, name)
        for path in map(folder.joinpath, glob.glob(pattern, root_dir=folder))
        if os.path.isfile(path)
    }
    return [shards[shard] for shard in sorted(shards)]
