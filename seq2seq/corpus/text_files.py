"""Text files, read strictly: a line ends at a line feed and nowhere else."""

import glob
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from seq2seq.errors import CorpusError


def read_lines(path: Path) -> Iterator[str]:
    """Lines of a UTF-8 file, plain or ``.gz``, without their line feed."""
    number = 1
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            for line in stream:
                yield line.decode("utf-8").removesuffix("\n")
                number += 1
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path}, line {number}: expected UTF-8, found {error.object[error.start : error.start + 4]!r} "
            f"at byte {error.start + 1} of the line: convert the file, for example with iconv -t UTF-8"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"{path} cannot be read from line {number} on: {error}; fetch or copy it again") from None


def require(path: Path) -> Path:
    """The path of a file that is there.

    Raises:
        CorpusError: it is not; says what is there instead.
    """
    if not path.is_file():
        near = ", ".join(sorted(entry.name for entry in path.parent.iterdir())[:8]) if path.parent.is_dir() else ""
        found = (
            f"that folder holds {near or 'nothing'}" if path.parent.is_dir() else f"there is no folder {path.parent}"
        )
        raise CorpusError(f"{path} is missing: {found}; set data.path and the names in [data]")
    return path


def find_shards(folder: Path, name: str) -> list[Path]:
    """Files that a name stands for, plain or ``.gz``: itself, or with ``*``, ``?`` or ``[…]`` all that fit, by name.

    Raises:
        CorpusError: there is none; says what is there instead.
    """
    if (folder / name).is_file():
        return [folder / name]
    packed = f"{name}.gz"
    if not glob.has_magic(name):
        return [folder / packed if (folder / packed).is_file() else require(folder / name)]
    # Where a shard is there twice, the plain file is read.
    found = {
        str(path).removesuffix(".gz"): path
        for pattern in (packed, name)
        for path in map(folder.joinpath, glob.glob(pattern, root_dir=folder))
        if path.is_file()
    }
    return [found[shard] for shard in sorted(found)] or [require(folder / name)]
