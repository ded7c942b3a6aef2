"""What a table looks like: its format, and which of its columns are the pairs."""

import csv
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from seq2seq.config import DataConfig
from seq2seq.corpus.tables import TableFormat, delimiter_of, read_table, sample_lines, whole_lines
from seq2seq.corpus.text_files import require
from seq2seq.errors import CorpusError

_PARQUET = b"PAR1"
# Names that tell which side a column is, whatever its place.
_SOURCES = {"src", "source", "input", "text", "from", "question"}
_TARGETS = {"tgt", "target", "output", "label", "to", "answer"}
_KNOWN = _SOURCES | _TARGETS | {"id", "nr", "no", "number", "word", "phonemes", "pronunciation", "translation"}
# A letter first, no mark of a sentence's end; digits only in what a program might have named. Spreadsheets break lines.
_NAME = re.compile(r"(?=\D*$|[a-z_.]+\d+$)[^\W\d]([\w ./:()\n-]{0,40}[\w)])?")
# Rows that are looked at.
_SAMPLE = 1000
# What comes so often on average is a label.
_TIMES = 10
# A first row is a header if it differs from so many of the others.
_MOST = 0.9


@dataclass(frozen=True, slots=True)
class Look:
    """The format of a table and the two columns that are read."""

    format: TableFormat
    src: str
    tgt: str
    columns: tuple[str, ...]
    """Names of all columns that hold text, or their numbers if the table has no header."""


def look(path: Path) -> Look:
    """Looks at the beginning of a table, plain or packed.

    Raises:
        CorpusError: it cannot be read, or has no two columns of text.
    """
    with require(path).open("rb") as file:
        is_parquet = file.read(len(_PARQUET)) == _PARQUET
    lines = [] if is_parquet else sample_lines(whole_lines(path))
    if is_parquet or _is_json(lines):
        kind: TableFormat = "parquet" if is_parquet else "jsonl"
        columns = _columns_of_records(path, kind)
    else:
        kind, columns = _columns_of_lines(lines)
    texts = {name: cells for name, cells in columns.items() if _is_text(cells)}
    if len(texts) < 2:
        found = f"only the column {next(iter(texts))}" if texts else "no column"
        raise CorpusError(
            f"{path}: expected a table with a column for each side, found {found} with text: give CSV, tab-separated "
            "values, JSON lines or Parquet; of two aligned files name the folder, and their endings as data.src and "
            "data.tgt"
        )
    src, tgt = _sides(texts)
    return Look(kind, src, tgt, tuple(texts))


def looked_at(data: DataConfig, path: Path) -> DataConfig:
    """The settings with the format that a table has; the sides too, unless they are set."""
    seen = look(path)
    default = DataConfig()
    if (data.src, data.tgt) != (default.src, default.tgt):
        return replace(data, format=seen.format)
    return replace(data, format=seen.format, src=seen.src, tgt=seen.tgt)


def _is_json(lines: Sequence[str]) -> bool:
    first = next((line for line in lines if line.strip()), "")
    try:
        return isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _columns_of_records(path: Path, kind: TableFormat) -> dict[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for _, record in islice(read_table(path, kind, (), Counter()), _SAMPLE):
        for key, value in _leaves(record, ""):
            columns.setdefault(key, []).append(value)
    return columns


def _leaves(record: Any, prefix: str) -> list[tuple[str, str]]:
    """The texts of a record under their keys; dots go deeper."""
    if isinstance(record, str):
        return [(prefix.removesuffix("."), record)]
    if not isinstance(record, dict):
        return []
    return [leaf for key, value in record.items() for leaf in _leaves(value, f"{prefix}{key}.")]


def _columns_of_lines(lines: Sequence[str]) -> tuple[TableFormat, dict[str, list[str]]]:
    delimiter = delimiter_of(lines)
    kind: TableFormat = "tsv" if delimiter == "\t" and not _has_quotes(lines) else "csv"
    if kind == "csv":
        rows = list(csv.reader(lines, delimiter=delimiter or ","))
    else:
        rows = [line.rstrip("\r\n").split("\t") for line in lines]
    rows = [[cell.strip() for cell in row] for row in rows if row]
    width = Counter(map(len, rows)).most_common(1)[0][0] if rows else 0
    rows = [row for row in rows if len(row) == width]
    columns = [list(cells) for cells in zip(*rows, strict=True)]
    if rows and _is_header(columns):
        return kind, {cells[0]: cells[1:] for cells in columns}
    return kind, {str(number): cells for number, cells in enumerate(columns, start=1)}


def _has_quotes(lines: Sequence[str]) -> bool:
    """True if cells between tabs are in quotes where they need them, as a spreadsheet writes them.

    A sentence that is a quotation is in quotes too, but then it needs none: it holds neither tab, line feed nor quote.
    """
    try:
        rows = list(csv.reader(lines, delimiter="\t", strict=True))
    except csv.Error:
        return False
    plain = {cell for row in csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) for cell in row}
    return any(re.search(r'[\t\n"]', cell) for row in rows for cell in row if cell not in plain)


def _is_header(columns: Sequence[Sequence[str]]) -> bool:
    """True if the first row holds names: known ones, or of another kind than what stands below in some column."""
    names = [cells[0] for cells in columns]
    if len(set(names)) < len(names) or not all(map(_NAME.fullmatch, names)):
        return False
    if any(name.lower() in _KNOWN for name in names):
        return True
    below = [cells[1:] for cells in columns]
    return any(
        cells and sum(_kind(cell) != _kind(name) for cell in cells) >= _MOST * len(cells)
        for name, cells in zip(names, below, strict=True)
    )


def _kind(cell: str) -> tuple[bool, ...]:
    return any(map(str.isdigit, cell)), " " in cell, cell.isascii()


def _is_text(cells: Sequence[str]) -> bool:
    """True if at least half of the cells hold something, and they do not merely count."""
    full = [cell for cell in cells if cell.strip()]
    if not full or 2 * len(full) < len(cells):
        return False
    numbers = [int(cell) for cell in full if cell.isdecimal() and len(cell) < 18]
    counts = len(numbers) == len(cells) > 2 and all(b - a == 1 for a, b in pairwise(numbers))
    return not counts


def _sides(columns: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """Source and target column: by their names if those tell, else the first two; labels are the target."""
    src = next((name for name in columns if name.lower() in _SOURCES), None)
    tgt = next((name for name in columns if name.lower() in _TARGETS), None)
    others = [name for name in columns if name not in (src, tgt)]
    if src is None and tgt is None and _are_labels(columns[others[0]]) and not _are_labels(columns[others[1]]):
        tgt = others.pop(0)
    if src is None:
        src = others.pop(0)
    return src, tgt if tgt is not None else others.pop(0)


def _are_labels(cells: Sequence[str]) -> bool:
    """True if a few kinds of single words come again and again."""
    kinds = set(cells)
    return not any(" " in kind for kind in kinds) and len(cells) >= _TIMES * len(kinds)
