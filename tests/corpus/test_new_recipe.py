"""``seq2seq new``: a recipe that reads the table it was written for."""

import csv
import json
from pathlib import Path

import pytest

from seq2seq.cli import main
from seq2seq.corpus.new_recipe import new
from seq2seq.corpus.prepared import corpus_summary, prepare
from seq2seq.corpus.sources import read_pairs
from seq2seq.errors import CorpusError
from seq2seq.recipe import load_recipe

SENTENCES = [f"I saw {n} birds in the garden of my old friend today" for n in range(9000)]
TABLES = {
    "dates": [
        ("written", "date"),
        *((f"May {day}, 19{year}", f"19{year}-05-{day:02}") for year in range(60, 99) for day in range(1, 29)),
    ],
    "sentences": [("en", "es"), *((text, text.replace("birds", "pájaros")) for text in SENTENCES)],
    "names": [("ねこ", "neko"), ("いぬ", "inu"), ("さかな", "sakana"), ("とり", "tori")] * 30,
    "spelling": [("input", "output"), *((f"w{n}", f"w{n}" if n % 3 else f"x{n}") for n in range(200))],
}


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return path


@pytest.mark.parametrize("table", TABLES)
def test_the_recipe_reads_every_pair(table: str, tmp_path: Path) -> None:
    path = write(tmp_path / 'my "pairs".csv', TABLES[table])
    (tmp_path / "r.toml").write_text(new(path), encoding="utf-8")
    config = load_recipe(str(tmp_path / "r.toml"))
    has_header = table != "names"
    assert [(pair.src, pair.tgt) for pair in read_pairs(config.data, "train")] == TABLES[table][has_header:]
    assert (config.data.src == "1") != has_header
    assert config.subword.type == ("unigram" if table == "sentences" else "char")
    assert config.subword.joint == (table != "names")
    assert config.data.drop_identical == (table != "spelling")


def test_nearly_all_pairs_fit_and_the_corpus_can_be_prepared(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [(f"{src} in the Gregorian calendar", tgt) for src, tgt in TABLES["dates"]])
    (tmp_path / "r.toml").write_text(new(path))
    found = prepare(load_recipe(str(tmp_path / "r.toml"), [f"data.directory={tmp_path}"]))
    assert found.report["dropped"].keys() == {"source held out"}
    assert len(found.test) == len(found.validation) == len(TABLES["dates"]) // 10


def test_documents_with_labels_are_read_and_none_is_dropped(tmp_path: Path) -> None:
    documents = [
        (f"{row} " + " ".join(f"word{row * 31 % n}" for n in range(1, 900)), "ab"[row % 2]) for row in range(90)
    ]
    path = write(tmp_path / "t.csv", documents)
    (tmp_path / "r.toml").write_text(new(path))
    for recipe in (str(tmp_path / "r.toml"), "own-data"):
        config = load_recipe(recipe, [f"data.path={path}", f"data.directory={tmp_path}"])
        found = prepare(config)
        assert found.report["dropped"] == {"source held out": 18}
        assert found.src.lengths().max() == config.data.max_tokens


@pytest.mark.parametrize(
    ("src", "tgt", "scripts"),
    [
        ("北京", "Beijing", "Han to Latin: scripts differ, and so do pieces"),
        ("नमस्ते", "שָׁלוֹם", "Devanagari to Hebrew: scripts differ, and so do pieces"),
        ("May 3", "05-03", "Latin to no letters: pieces are shared"),
    ],
)
def test_scripts_are_named_and_decide_whether_pieces_are_shared(
    src: str, tgt: str, scripts: str, tmp_path: Path
) -> None:
    assert scripts in new(write(tmp_path / "t.csv", [(f"{src} {row}", tgt) for row in range(30)]))


def test_few_pairs_are_said_to_be_few(tmp_path: Path) -> None:
    few, more = TABLES["dates"][:301], TABLES["dates"]
    for rows, said in ((few, True), (more, False)):
        path = write(tmp_path / f"{len(rows)}.csv", rows)
        text = new(path)
        assert ("are few" in text) == said
        (tmp_path / "r.toml").write_text(text)
        data = [f"data.directory={tmp_path}", f"data.validation_size={5}", "data.test_size=5"]
        assert ("are few" in corpus_summary(prepare(load_recipe(str(tmp_path / "r.toml"), data)))) == said


def test_the_command_prints_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(
        "".join(json.dumps({"a": {"x": f"s {n}"}, "b": f"t {n}", "c": "z"}) + "\n" for n in range(9)) + "{\n"
    )
    assert main(["new", str(path)]) == 0
    output = capsys.readouterr().out
    assert output == new(path)
    assert "others: c" in output
    assert "1 no text" in output
    assert main(["new", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.count("\n") == 2  # the warning above, and one line here


def test_a_table_of_empty_cells_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [("a", ""), ("", "b")])
    with pytest.raises(CorpusError, match="found none with text in the columns 1 and 2"):
        new(path)
