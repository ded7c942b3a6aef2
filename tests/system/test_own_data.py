"""A user's table, from the file to a model that answers, without any setting."""

import csv
import json
import random
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from seq2seq.cli import main
from seq2seq.corpus.pairs import Pair
from seq2seq.runs.layout import read_config
from seq2seq.training.prepare import prepare
from seq2seq.training.train import train

pytestmark = pytest.mark.slow


def ways_to_write(day: date) -> list[str]:
    return [
        f"{day:%B} {day.day}, {day.year}",
        f"{day.day} {day:%b} {day.year}",
        f"{day:%A}, the {day.day} of {day:%B} {day.year}",
        f"{day:%d.%m.%Y}",
        f"{day:%m/%d/%Y}",
    ]


def write_dates(path: Path, count: int) -> None:
    """As a spreadsheet exports them: a mark, a header, quotes around commas, CRLF."""
    seed = random.SystemRandom().randrange(2**31)
    print("seed", seed, file=sys.stderr)
    chance = random.Random(seed)
    rows = {}
    while len(rows) < count:
        day = date(1950, 1, 1) + timedelta(days=chance.randrange(30_000))
        rows[chance.choice(ways_to_write(day))] = day.isoformat()
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream).writerows([("written", "iso"), *rows.items()])


def test_3000_dates_are_learned_by_the_recipe_that_new_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_dates(tmp_path / "pairs.csv", 3000)
    assert main(["new", "pairs.csv"]) == 0
    (tmp_path / "mine.toml").write_text(capsys.readouterr().out, encoding="utf-8")
    # By itself it ends by patience after about 1,400 updates and 100 seconds of CPU time, with 100 % (docs/log.md).
    run = train("mine.toml", overrides=["training.max_updates=500"])
    evaluation = json.loads((run / "evaluation.json").read_bytes())
    assert evaluation["sentences"] == 300
    assert evaluation["exact_match"] >= 0.95


def test_300_pairs_train_by_a_path_alone_and_are_said_to_be_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_dates(tmp_path / "pairs.csv", 300)
    path = ["data.path=pairs.csv"]
    run = train("own-data", overrides=[*path, "training.max_updates=30"])
    assert "240 training pairs" in (said := capsys.readouterr().err)
    assert "are few" in said
    begun = read_config(run)
    assert (begun.model.dropout, begun.training.batch_tokens) == (0.3, 200)
    assert (run / "evaluation.json").is_file()
    # The same recipe goes on, and what was chosen stays.
    train("own-data", overrides=[*path, "training.max_updates=40"])
    assert read_config(run).model == begun.model


def test_what_is_refused_leaves_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs.csv").write_text("only one column\n" * 9)
    assert main(["train", "own-data", "--set", "data.path=pairs.csv"]) == 2
    assert not (tmp_path / "runs").exists()


SPREADSHEETS = {
    "LibreOffice": {"quoting": csv.QUOTE_ALL, "lineterminator": "\n"},
    "Excel": {"lineterminator": "\r\n"},
    "Excel in Europe": {"delimiter": ";", "lineterminator": "\r\n"},
    "Excel's Unicode text": {"delimiter": "\t", "lineterminator": "\r\n"},
}


def test_a_spreadsheet_trains_with_one_line_of_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [(f'"{one}", he said;\nand "{one + 1}".', f"{one};{one + 1}") for one in range(200)]
    pairs = [Pair(source.replace("\n", " "), target) for source, target in rows]
    Path("mine.toml").write_text('data.path = "pairs"\n')
    for program, dialect in SPREADSHEETS.items():
        encoding = {"LibreOffice": "utf-8", "Excel's Unicode text": "utf-16"}.get(program, "utf-8-sig")
        with open("pairs", "w", encoding=encoding, newline="") as stream:
            csv.writer(stream, **dialect).writerows([("said", "numbers\n(both)"), *rows])
        prepared = prepare("mine.toml")
        assert prepared.report["kept"] == 160
        assert len(prepared.test) == len(prepared.validation) == 20
        assert all(pair in pairs for pair in (*prepared.test, *prepared.validation))
    small = ["model.hidden_size=16", "model.embedding_size=16", "model.layers=1", "training.max_updates=2"]
    run = train("mine.toml", overrides=small)
    assert json.loads((run / "evaluation.json").read_bytes())["sentences"] == 20
