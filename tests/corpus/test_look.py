"""What is seen in a table: format, header, sides."""

import csv
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from seq2seq.config import DataConfig
from seq2seq.corpus.look import look
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.sources import fingerprint, read_pairs, recognised
from seq2seq.errors import CorpusError

PAIRS = [Pair(f"March {day}, 1999", f"1999-03-{day:02}") for day in range(1, 29)]


def write(path: Path, kind: str) -> None:
    rows = [{"en": pair.src, "es": pair.tgt} for pair in PAIRS]
    match kind:
        case "parquet":
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        case "jsonl":
            path.write_text("\n".join(map(json.dumps, rows)))
        case _:
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, ["en", "es"], delimiter="\t" if kind == "tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
            path.write_bytes(text.getvalue().encode("utf-8-sig"))


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
def test_auto_reads_every_kind_of_table_whatever_its_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "table"
    write(path, kind)
    assert look(path).format == kind
    data = DataConfig(path=str(path))
    assert [Pair(pair.src, pair.tgt.strip()) for pair in read_pairs(data, "train")] == PAIRS
    turned = DataConfig(path=str(path), src="es", tgt="en")
    assert next(read_pairs(turned, "train")).src.strip() == PAIRS[0].tgt
    before = fingerprint(data)
    path.write_bytes(path.read_bytes() + b"\n")
    assert fingerprint(data) != before


def test_auto_tells_a_folder_of_aligned_files_from_one_with_tables(tmp_path: Path) -> None:
    (tmp_path / "train.en").write_text("".join(f"{pair.src}\n" for pair in PAIRS))
    (tmp_path / "train.es").write_text("".join(f"{pair.tgt}\n" for pair in PAIRS))
    write(tmp_path / "tables-1", "csv")
    write(tmp_path / "tables-2", "csv")
    for name, kind, pairs in (("train", "files", PAIRS), ("tables-*", "csv", [*PAIRS, *PAIRS])):
        data = DataConfig(path=str(tmp_path), src="en", tgt="es", train=name)
        assert recognised(data).format == kind
        assert list(read_pairs(data, "train")) == pairs
        before = fingerprint(data)
        assert len(before) == 2
        for path in (tmp_path / "train.es", tmp_path / "tables-2"):
            path.touch()
        assert fingerprint(data) != before


def test_a_packed_table_is_seen_through(tmp_path: Path) -> None:
    write(tmp_path / "t", "csv")
    (tmp_path / "t.gz").write_bytes(gzip.compress((tmp_path / "t").read_bytes()))
    assert look(tmp_path / "t.gz") == look(tmp_path / "t")


SENTENCES = "It rains.\tLlueve.\nI am here.\tEstoy aquí.\nWho is it?\t¿Quién es?\n"
HEADERS = {
    "known names": ("word\ttag\nabandon\tverb\nzoo\tnoun\n", ("word", "tag")),
    "no digit where all others have some": ("Written\tDate\n3 May\t05-03\n1 June\t06-01\n", ("Written", "Date")),
    "no space where all others have some": (f"English\tSpanish\n{SENTENCES}", ("English", "Spanish")),
    "numbered": ("sentence1\tsentence2\nIt is.\tIs it?\nNo more.\tSo be it.\n", ("sentence1", "sentence2")),
    "another script": ("name\tKana\nneko\tねこ\ninu\tいぬ\n", ("name", "Kana")),
    "none: sentences": (SENTENCES, ("1", "2")),
    "none: words": ("go\tir\nsee\tver\n", ("1", "2")),
    "none: words and sounds": ("a\tAH0\nab\tAE1 B\n", ("1", "2")),
    "none: numbers": ("1\tone\n2\ttwo\n7\tseven\n", ("1", "2")),
    "a running number": ("id\ten\tes\n1\ta\tb\n2\tc\td\n3\te\tf\n", ("en", "es")),
    "a running number without a header": ("1\ta b.\tc\n2\tc\td e\n3\te\tf\n", ("2", "3")),
    "a third column": ("It rains.\tLlueve.\tCC-BY\nWho?\t¿Quién?\tCC-BY\n", ("1", "2")),
    "the target first": ("label\ttext\npos\tI like it.\nneg\tI do not.\n", ("text", "label")),
    "labels first": ("".join(f"{'pos' if row % 3 else 'neg'}\tReview {row}.\n" for row in range(30)), ("2", "1")),
    "labels last": ("".join(f"Review {row}.\t{'pos' if row % 3 else 'neg'}\n" for row in range(30)), ("1", "2")),
    "words with several translations": ("".join(f"go\t{row}ir\nrun\t{row}er\n" for row in range(9)), ("1", "2")),
    "an empty column": ("en\tnote\tes\na\t\tb\nc\t\td\nid\t\tx\n", ("1", "3")),
}


@pytest.mark.parametrize("table", HEADERS)
def test_header_and_sides(table: str, tmp_path: Path) -> None:
    text, sides = HEADERS[table]
    (tmp_path / "t").write_text(text)
    seen = look(tmp_path / "t")
    assert (seen.src, seen.tgt) == sides
    assert seen.format == "tsv"


def test_a_name_in_a_header_may_break_a_line(tmp_path: Path) -> None:
    (tmp_path / "t").write_text('"English\n(plain)",Spanish\n"It rains.",Llueve.\n"I am here.","Estoy aquí."\n')
    assert [pair.tgt for pair in read_pairs(DataConfig(path=str(tmp_path / "t")), "train")] == [
        "Llueve.",
        "Estoy aquí.",
    ]
    assert look(tmp_path / "t").src == "English\n(plain)"


def test_quotes_between_tabs_are_a_spreadsheets_only_if_cells_need_them(tmp_path: Path) -> None:
    (tmp_path / "t").write_text('"Go!"\t"¡Ve!"\n"No," he said.\tx\n')
    assert look(tmp_path / "t").format == "tsv"
    (tmp_path / "t").write_text('"He said ""go""."\tx\na\tb\n')
    assert look(tmp_path / "t").format == "csv"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_spreadsheet_that_was_not_exported_is_said_to_be_one(pack: Callable[[bytes], bytes], tmp_path: Path) -> None:
    book = io.BytesIO()
    with zipfile.ZipFile(book, "w") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", "<row/>")
    (tmp_path / "book.xlsx").write_bytes(pack(book.getvalue()))
    with pytest.raises(
        CorpusError, match=r"book\.xlsx: expected text, found a zip archive, as spreadsheets are: save it"
    ):
        look(tmp_path / "book.xlsx")


def test_quotes_inside_sentences_are_letters(tmp_path: Path) -> None:
    (tmp_path / "t").write_text('He said "go".\tDijo "ve".\n' * 100 + '"Go" he said.\t"Ve" dijo.\n')
    assert list(read_pairs(DataConfig(path=str(tmp_path / "t")), "train"))[-1] == Pair('"Go" he said.', '"Ve" dijo.')


@pytest.mark.parametrize("text", ["", "one\ntwo\n", "\n\n", "1\tx\n2\t\n3\t\n", '{"a": "b"}\n'])
def test_a_table_without_two_columns_of_text_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "t").write_text(text)
    with pytest.raises(CorpusError, match="expected a table with a column for each side, found"):
        look(tmp_path / "t")
