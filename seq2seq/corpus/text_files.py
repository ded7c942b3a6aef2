"""Text files; a line ends only at a line feed."""

import glob
import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from seq2seq.errors import CorpusError

# Longer lines are no sentences; a few bytes of a packed file may unpack to gigabytes of line.
_LONGEST = 4_000_000


def read_lines(path: Path) -> Iterator[str]:
    """Lines of a UTF-8 file, plain or ``.gz``, without their line feeds.

    Raises:
        CorpusError: it cannot be read or is not UTF-8; names the line.
    """
    number = 1
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            while line := stream.readline(_LONGEST + 1):
                if len(line) > _LONGEST:
                    raise CorpusError(
                        f"{path}, line {number}: expected a line of at most {_LONGEST:,} bytes, found a longer one: "
                        "take it out, or break it into several"
                    )
                yield line.removesuffix(b"\n").decode("utf-8")
                number += 1
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path}, line {number}: expected UTF-8, found {error.object[error.start : error.start + 4]!r} "
            f"at byte {error.start + 1} of the line: convert the file, for example with iconv -t UTF-8"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise CorpusError(f"{path} cannot be read from line {number} on: {reason}; fetch or copy it again") from None


def require(path: Path) -> Path:
    """Returns the path of an existing file.

    Raises:
        CorpusError: there is no such file; lists the files of its folder.
    """
    # os.path says no where pathlib raises: of names that are too long, and in folders that must not be entered.
    if not os.path.isfile(path):
        reason = f"there is no folder {path.parent}"
        if os.path.isdir(path.parent):
            try:
                reason = f"that folder holds {', '.join(sorted(os.listdir(path.parent))[:8]) or 'nothing'}"
            except OSError as error:
                reason = f"that folder cannot be read ({error.strerror})"
        raise CorpusError(f"{path} is missing: {reason}; set data.path and the names in [data]")
    return path


def find_shards(folder: Path, name: str) -> list[Path]:
    """The file of a name, or all files that match it if it contains ``*``, ``?`` or ``[…]``, sorted; plain or ``.gz``.

    Raises:
        CorpusError: there is none; lists the files of the folder.
    """
    if os.path.isfile(folder / name):
        return [folder / name]
    packed = f"{name}.gz"
    if not glob.has_magic(name):
        return [folder / packed if os.path.isfile(folder / packed) else require(folder / name)]
    # Of a shard that exists plain and packed, the plain file is read.
    shards = {
        str(path).removesuffix(".gz"): path
        for pattern in (packed, name)
        for path in map(folder.joinpath, glob.glob(pattern, root_dir=folder))
        if os.path.isfile(path)
    }
    return [shards[shard] for shard in sorted(shards)] or [require(folder / name)]
