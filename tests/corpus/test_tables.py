"""Tables: what a spreadsheet, a program or a data set writes is read back, and a bad line is counted instead."""

import csv
import gzip
import io
import json
import lzma
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seq2seq.config import DataConfig
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.sources import read_pairs
from seq2seq.corpus.tables import csv_rows, delimiter_of
from seq2seq.errors import CorpusError

PAIRS = [
    Pair('She said "no".', 'Dijo "no".'),
    Pair("Two\nlines", "Dos\nlíneas"),
    Pair("a, b; c\td", "猫"),
    Pair('"', "x"),
]
# Delimiter and line end, as Excel, LibreOffice and Python write them.
DIALECTS = {"comma": (",", "\r\n"), "semicolon": (";", "\r\n"), "tab": ("\t", "\r\n"), "unix": (",", "\n")}


def spreadsheet(pairs: list[Pair], delimiter: str, end: str, *, header: bool = True) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    writer.writerows([["id", "en", "es"]] if header else [])
    writer.writerows([number, pair.src, pair.tgt] for number, pair in enumerate(pairs))
    return text.getvalue()


def read(path: Path, dropped: Counter[str] | None = None, **data: str) -> list[Pair]:
    named = {"format": "csv", "src": "en", "tgt": "es"} | data
    return list(read_pairs(DataConfig(path=str(path), **named), "train", dropped))


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("header", [True, False])
def test_a_spreadsheet_is_read_as_it_was_written(dialect: str, header: bool, tmp_path: Path) -> None:
    text = spreadsheet(PAIRS, *DIALECTS[dialect], header=header)
    (tmp_path / "t.csv").write_bytes(text.encode("utf-8-sig"))
    columns = {} if header else {"src": "2", "tgt": "3"}
    assert read(tmp_path / "t.csv", **columns) == PAIRS


ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "UTF-8": str.encode,
    "UTF-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16, big": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "gzip": lambda text: gzip.compress(text.encode()),
    "xz": lambda text: lzma.compress(text.encode("utf-16")),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl"])
def test_every_encoding_with_a_mark_and_every_packing_is_read(kind: str, encoding: str, tmp_path: Path) -> None:
    pairs = [Pair("one \u2028 1", "uno"), Pair("猫", "gato 😀")]
    lines = {
        "csv": ["en,es", *(f"{pair.src},{pair.tgt}" for pair in pairs)],
        "tsv": ["en\tes", *(f"{pair.src}\t{pair.tgt}" for pair in pairs)],
        "jsonl": [json.dumps({"en": pair.src, "es": pair.tgt}, ensure_ascii=False) for pair in pairs],
    }
    (tmp_path / "t").write_bytes(ENCODINGS[encoding]("".join(f"{line}\n" for line in lines[kind])))
    assert read(tmp_path / "t", format=kind) == pairs


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), min_size=1, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=6))
def test_what_python_writes_is_read_back(rows: list[tuple[str, str]], tmp_path: Path) -> None:
    """But for a carriage return alone, which ends no line here and a line in Python's rules."""
    rows = [(src.replace("\r", " "), tgt.replace("\r", " ")) for src, tgt in rows]
    text = io.StringIO(newline="")
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([("en", "es"), *rows])
    (tmp_path / "t.csv").write_bytes(text.getvalue().encode())
    assert read(tmp_path / "t.csv") == [Pair(*row) for row in rows]


def test_bad_lines_are_counted_and_the_first_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "csv").write_text("en,es\na,b\n\nonly one\nc,d,more\n\n")
    (tmp_path / "tsv").write_text("en\tes\r\na\tb\r\n\r\nonly one\r\nc\td\tmore\r\n\n")
    (tmp_path / "jsonl").write_text('{"en": "a", "es": "b"}\n\n{"en": "x", "es": null}\n{"en": "c", "es": "d"}\n\n{"en')
    for kind, bad in (("csv", 1), ("tsv", 1), ("jsonl", 2)):
        dropped: Counter[str] = Counter()
        pairs = [Pair(pair.src, pair.tgt.rstrip("\r")) for pair in read(tmp_path / kind, dropped, format=kind)]
        assert pairs == [Pair("a", "b"), Pair("c", "d")]
        assert dropped == {"blank line": 2, "no text": bad}
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert f"{tmp_path / kind}, line {3 if kind == 'jsonl' else 4}: expected text under 'es'" in said


def test_a_quote_that_is_never_closed_is_refused_instead_of_swallowing_the_rest(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n}\n" for n in range(500))
    (tmp_path / "t.csv").write_text(f'en,es\n{rows}x,"y\n{rows}')
    with pytest.raises(CorpusError, match=r't\.csv, line 502: expected a second " after'):
        read(tmp_path / "t.csv")


def test_rows_know_their_first_line(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a,b\n"1\n2\n3",c\n\nd,e\n')
    assert [line for line, _ in csv_rows(tmp_path / "t.csv")] == [1, 2, 5, 6]


def test_a_carriage_return_inside_a_line_is_white_space(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b'en,es\r\na\rb,c\r\n"d\re",f\r\n')
    assert read(tmp_path / "t.csv") == [Pair("a b", "c"), Pair("d e", "f")]


def test_quotes_are_letters_between_tabs(tmp_path: Path) -> None:
    """So sentences that are quotations, as Tatoeba has them, stay whole."""
    (tmp_path / "t.tsv").write_text('en\tes\n"No," she said.\t"No", dijo.\n"Open\tx\n')
    expected = [Pair('"No," she said.', '"No", dijo.'), Pair('"Open', "x")]
    assert read(tmp_path / "t.tsv", format="tsv") == expected


@pytest.mark.parametrize(
    ("lines", "delimiter"),
    [
        (["Yes, I do.;Sí\n", "No;No\n"], ";"),
        (['"Yes, I; do",Sí\n', "No,No\n"], ","),
        (["a, b\tc\n", "d\te\n"], "\t"),
        (["one\n", "two\n"], ""),
        ([], ""),
    ],
)
def test_the_delimiter_is_what_cuts_all_lines_alike(lines: list[str], delimiter: str) -> None:
    assert delimiter_of(lines) == delimiter


def test_nested_keys_and_keys_with_dots(tmp_path: Path) -> None:
    (tmp_path / "t").write_text('{"a": {"b": "x"}, "a.c": "y"}\n')
    assert read(tmp_path / "t", format="jsonl", src="a.b", tgt="a.c") == [Pair("x", "y")]


def test_parquet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"t": {"en": pair.src, "es": pair.tgt}, "n.o": str(n), "x": n} for n, pair in enumerate(PAIRS)]
    path = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([*rows, {"t": {"en": "x", "es": None}}]), path)
    dropped: Counter[str] = Counter()
    assert read(path, dropped, format="parquet", src="t.en", tgt="t.es") == PAIRS
    assert dropped == {"no text": 1}
    assert "row 5: expected text under 't.es', found None" in capsys.readouterr().err
    assert [pair.tgt for pair in read(path, format="parquet", src="t.en", tgt="n.o")] == ["0", "1", "2", "3"]
    with pytest.raises(CorpusError, match=r"row 1: expected text under 'fr', found None; the record has \['t'\]"):
        read(path, format="parquet", src="t.en", tgt="fr")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CorpusError, match="expected a Parquet file, found none or a damaged one"):
        read(path, format="parquet", src="t.en", tgt="t.es")
