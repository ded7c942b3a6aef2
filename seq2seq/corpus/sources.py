"""Sources of pairs: aligned files, tables, a hub data set, a package, or a generator.

Every source is streamed, shard by shard where there are several.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Literal

from seq2seq.config import DataConfig
from seq2seq.corpus.captions import CAPTIONS, read_captions
from seq2seq.corpus.dates import date_pairs
from seq2seq.corpus.digits import digit_pairs
from seq2seq.corpus.hub import read_hub
from seq2seq.corpus.look import looked_at
from seq2seq.corpus.numbers import number_pairs
from seq2seq.corpus.package_index import fetch_member
from seq2seq.corpus.pairs import Pair, pairs_of
from seq2seq.corpus.pronunciations import SUFFIX, read_pronunciations
from seq2seq.corpus.tables import TableFormat, read_table
from seq2seq.corpus.text_files import find_shards, plain_name, read_lines, require, shards_of
from seq2seq.errors import CorpusError

Part = Literal["train", "validation", "test"]

# The times of most file systems advance every 4 to 10 ms.
_TICK = 0.02


def read_pairs(data: DataConfig, part: Part, dropped: Counter[str] | None = None) -> Iterator[Pair]:
    """Streams one part of a corpus, uncleaned.

    Args:
        data: which corpus.
        part: of the three.
        dropped: counts records that are left out because they hold no text.

    Raises:
        CorpusError: something is missing, misaligned or not UTF-8; names file and line.
    """
    name: str = getattr(data, part)
    dropped = Counter() if dropped is None else dropped
    data = recognised(data)
    match data.format:
        case "files":
            return (pair for sides in _aligned_shards(data, name) for pair in read_aligned(*sides))
        case "tsv" | "csv" | "jsonl" | "parquet" as kind:
            columns = (data.src, data.tgt)
            records = (record for path in _shards(data, name) for record in read_table(path, kind, columns, dropped))
            return pairs_of(records, data.src, data.tgt, dropped)
        case "hub":
            return read_hub(data, name, dropped)
        case "wheel":
            return _read_member(data, dropped)
        case "digits":
            return digit_pairs(data.path, int(data.train))
        case "dates":
            return date_pairs(int(data.train))
        case "numbers":
            return number_pairs(data.path, int(data.train))
        case _:
            return read_captions(data, name, dropped)


def recognised(data: DataConfig) -> DataConfig:
    """The settings with the format that ``auto`` finds, and the sides of a table unless they are set.

    Raises:
        CorpusError: there is no corpus, or no table with two columns of text.
    """
    if data.format != "auto":
        return data
    return replace(data, format="files") if _is_aligned(data) else looked_at(data, _shards(data, data.train)[0])


def fingerprint(data: DataConfig) -> list[str]:
    """Names, sizes and times of the corpus's files: they change when the corpus does.

    Links are followed. A change that keeps size and time of modification is noticed too, on file systems whose clock
    advances within ``_TICK``.
    """
    parts = [part for part in (data.train, data.validation, data.test) if part]
    match "files" if _is_aligned(data) else data.format:
        case "files":
            paths = [path for part in parts for sides in _aligned_shards(data, part) for path in sides]
        case "tsv" | "csv" | "jsonl" | "parquet" | "auto":
            paths = [path for part in parts for path in _shards(data, part)]
        case "pictures":
            require(Path(data.path) / CAPTIONS)
            paths = _files(data)
        case "hub" | "hub-pictures":
            # Empty for a name on the hub, which has a revision.
            paths = _files(data)
        case _:
            # Packages are identified by a hash, what is made on the spot by its generator: the settings tell all.
            return []
    stats = [require(path).stat() for path in paths if not path.is_dir()]
    if any(abs(time.time() - stat.st_ctime) < _TICK for stat in stats):
        time.sleep(_TICK)  # whatever changes from now on gets another time
    return [_facts(path, data.path) for path in paths]


def _facts(path: Path, root: str) -> str:
    """Path of a file, of what it links to, its size and times; of a folder only the paths.

    The time of the last change of the inode differs even if a copy kept size and time of modification.
    """
    names = f"{os.path.relpath(path, root)} {os.path.relpath(os.path.realpath(path), os.path.realpath(root))}"
    if path.is_dir():
        return names
    stat = path.stat()
    return f"{names} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"


def _files(data: DataConfig) -> list[Path]:
    """All files below the folder ``data.path``, except caches and downloads; none if it is not a folder.

    Links are followed. A folder that is met again, as on a cycle of links, is listed itself instead of its files.
    """
    caches = {os.path.realpath(Path(data.directory, name)) for name in ("prepared", "downloads")}
    paths: list[Path] = []
    entered: set[str] = set()
    for folder, folders, names in os.walk(data.path, followlinks=True):
        real = os.path.realpath(folder)
        if real in caches or real in entered:
            paths += [Path(folder)] if real in entered else []
            folders.clear()
            continue
        entered.add(real)
        folders.sort()  # so that the same one of several ways to a folder is the first each time
        paths += [path for path in map(Path(folder).joinpath, names) if os.path.isfile(path)]
    return sorted(paths)


def _is_aligned(data: DataConfig) -> bool:
    """Whether each side has files of its own; ``auto`` means so if there is no table of the training part's name."""
    if data.format == "auto":
        return os.path.isdir(data.path) and not shards_of(Path(data.path), data.train)
    return data.format == "files"


def _root(data: DataConfig) -> Path:
    """``data.path``, which is there: else a message would be about a part of what is missing as a whole."""
    path = Path(data.path)
    return path if os.path.exists(path) else require(path)


def _shards(data: DataConfig, name: str) -> list[Path]:
    """``data.path`` itself if it is a file (then there is only a training part), else the name's files inside it."""
    path = _root(data)
    return [path] if os.path.isfile(path) and name == data.train else find_shards(path, name)


def _read_member(data: DataConfig, dropped: Counter[str]) -> Iterator[Pair]:
    """The pairs of a package's file, whose name tells what it is."""
    member = fetch_member(data.path, data.member, data.sha256, Path(data.directory) / "downloads")
    if data.member.endswith(SUFFIX):
        return read_pronunciations(member)
    kind: TableFormat = "csv" if plain_name(member).endswith(".csv") else "tsv"
    return pairs_of(read_table(member, kind, (data.src, data.tgt), dropped), data.src, data.tgt, dropped)


def _aligned_shards(data: DataConfig, name: str) -> list[tuple[Path, Path]]:
    """Source and target file of each shard.

    Raises:
        CorpusError: a shard lacks a side.
    """
    sides = []
    for suffix in (f".{data.src}", f".{data.tgt}"):
        paths = find_shards(_root(data), name + suffix)
        sides.append({plain_name(path).removesuffix(suffix): path for path in paths})
    for shard in sorted(sides[0].keys() ^ sides[1].keys()):
        present, missing = (data.src, data.tgt) if shard in sides[0] else (data.tgt, data.src)
        raise CorpusError(f"{shard}.{present} is a shard without its other side: {shard}.{missing} is missing")
    return [(path, sides[1][shard]) for shard, path in sides[0].items()]


def read_aligned(src_path: Path, tgt_path: Path) -> Iterator[Pair]:
    """Pairs of two files, line by line.

    Raises:
        CorpusError: a file is missing or not UTF-8, or has more lines than the other.
    """
    sides = (read_lines(require(src_path)), read_lines(require(tgt_path)))
    for number, (src, tgt) in enumerate(zip_longest(*sides), start=1):
        if src is None or tgt is None:
            longer, side = (tgt_path, sides[1]) if src is None else (src_path, sides[0])
            raise CorpusError(
                f"{src_path.name} and {tgt_path.name} do not align: one has {number - 1} lines, "
                f"{longer} has {number + sum(1 for _ in side)}; both need one line for each pair"
            )
        yield Pair(src, tgt)
