"""Tables of text as records: CSV, tab-separated values, JSON lines, Parquet.

A record that cannot be used (a line without a cell for each column, a line that is no JSON) is passed on as it is:
:func:`~seq2seq.corpus.pairs.pairs_of` leaves it out, counts it and names the first.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count, islice
from pathlib import Path
from typing import Any, Literal

from seq2seq.corpus.pairs import Unreadable
from seq2seq.corpus.text_files import LONGEST, read_lines, require
from seq2seq.errors import CorpusError, shown

TableFormat = Literal["csv", "tsv", "jsonl", "parquet"]
Record = tuple[str, Any]
"""Where a record stands, and the record."""

# Cells of a line that are read: no table of pairs has more, and a line of nothing but tabs would fill the memory.
_MOST_COLUMNS = 1000
# Lines and characters that are enough to see what separates the cells.
_SAMPLE_LINES, _SAMPLE_SIZE = 100, 1_000_000
# Of a cell, for the whole process: no limit for what a file's beginning holds, which is at most a sample and a line.
csv.field_size_limit(_SAMPLE_SIZE + LONGEST)
# No file holds a lone surrogate.
_END = "\ud800"


def read_table(path: Path, kind: TableFormat, columns: Sequence[str], dropped: Counter[str]) -> Iterator[Record]:
    """The records of a table: each maps the names of its columns, or their numbers, to what they hold.

    Args:
        path: of the file; all but Parquet may be packed.
        kind: its format.
        columns: the wanted ones: names, or numbers from 1 if the table has no header. Of JSON lines and, where none is
            wanted, of Parquet all are read.
        dropped: counts blank lines.

    Raises:
        CorpusError: the file cannot be read or lacks a column; names the line.
    """
    match kind:
        case "csv":
            return _by_column(path, csv_rows(path), columns, dropped)
        case "tsv":
            return _by_column(path, _tsv_rows(path), columns, dropped)
        case "jsonl":
            return _read_jsonl(path, dropped)
        case "parquet":
            return _read_parquet(path, columns)


def csv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows of a CSV file, each after the number of its first line, by the rules of Python's ``csv``.

    Cells may stand in quotes and then hold line feeds, delimiters and doubled quotes. What delimits them is seen from
    the first lines.

    Raises:
        CorpusError: the file cannot be read, or a quote is never closed.
    """
    lines = whole_lines(path)
    sample = sample_lines(lines)
    reader = csv.reader(chain(sample, lines, [_END]), delimiter=delimiter_of(sample) or ",")
    first = 1
    try:
        for row in reader:
            if row == [_END]:
                return
            if row and row[-1].endswith(_END):
                raise csv.Error("no other follows")
            yield first, row[:_MOST_COLUMNS]
            first = reader.line_num + 1
    except csv.Error as error:
        raise CorpusError(
            f'{path}, line {first}: expected a second " after the one that opens a cell, found none ({error}): close '
            'it, or set data.format = "tsv" if cells are never in quotes'
        ) from None


def whole_lines(path: Path) -> Iterator[str]:
    """Lines as ``csv`` reads them: with line feeds, and a space for a carriage return that ends no line."""
    for line in read_lines(require(path)):
        yield line.rstrip("\r").replace("\r", " ") + "\n"


def sample_lines(lines: Iterable[str]) -> list[str]:
    """The first lines, enough to see what a table looks like."""
    sample: list[str] = []
    size = 0
    for line in islice(lines, _SAMPLE_LINES):
        sample.append(line)
        size += len(line)
        if size > _SAMPLE_SIZE:
            break
    return sample


def delimiter_of(lines: Sequence[str]) -> str:
    """Tab, semicolon or comma, whichever cuts most lines into equally many cells; empty if none cuts them."""
    best, delimiter = 0, ""
    for candidate in "\t;,":
        widths = Counter(len(row) for row in csv.reader(lines, delimiter=candidate) if row)
        width, share = widths.most_common(1)[0] if widths else (0, 0)
        if width > 1 and share > best:
            best, delimiter = share, candidate
    return delimiter


def _tsv_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Lines cut at tabs, each after its number; quotes are letters like others."""
    for number, line in enumerate(read_lines(require(path)), start=1):
        yield number, line.split("\t", _MOST_COLUMNS)[:_MOST_COLUMNS] if line.strip("\r") else []


def _by_column(
    path: Path, rows: Iterator[tuple[int, list[str]]], columns: Sequence[str], dropped: Counter[str]
) -> Iterator[Record]:
    if all(name.isdecimal() for name in columns):
        names = [str(number) for number in range(1, _MOST_COLUMNS + 1)]
    else:
        line, header = next(rows, (1, []))
        names = [name.strip() for name in header]
        for name in columns:
            if name not in names:
                raise CorpusError(
                    f"{path}, line {line}: expected a column named {name!r}, found {shown(names)}; "
                    "set data.src and data.tgt to names of the header or to numbers from 1"
                )
    for line, row in rows:
        if row:
            yield f"{path}, line {line}", dict(zip(names, row, strict=False))
        else:
            dropped["blank line"] += 1


def _read_jsonl(path: Path, dropped: Counter[str]) -> Iterator[Record]:
    for number, line in enumerate(read_lines(require(path)), start=1):
        if not line.strip():
            dropped["blank line"] += 1
            continue
        try:
            yield f"{path}, line {number}", json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = f"expected one JSON object, found {line[:60]!r} ({error})"
            yield f"{path}, line {number}", Unreadable(reason)


def _read_parquet(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    import pyarrow
    import pyarrow.parquet

    number = count(1)
    try:
        with pyarrow.parquet.ParquetFile(require(path)) as file:
            # Dots lead into a column, or belong to its name.
            wanted = [
                name for name in file.schema_arrow.names if any(f"{one}.".startswith(f"{name}.") for one in columns)
            ]
            for batch in file.iter_batches(batch_size=1000, columns=wanted if columns else None):
                for record in batch.to_pylist():
                    yield f"{path}, row {next(number)}", record
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise CorpusError(
            f"{path}: expected a Parquet file, found none or a damaged one at row {next(number)} "
            f"({' '.join(str(error).split())[:200]}): fetch or copy it again"
        ) from None
