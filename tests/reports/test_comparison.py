"""The page that compares systems: what stands in it, that hostile text stays text, that its size is bounded."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from pages import HOSTILE, read

import seq2seq
from seq2seq.cli import main
from seq2seq.config import EvaluationConfig
from seq2seq.evaluation.systems import System, Systems
from seq2seq.reports.comparison import write_comparison

TEXTS = [
    f"a {colour} {animal} runs over the {place}"
    for colour in ("red", "blue", "green")
    for animal in ("dog", "cat")
    for place in ("hill", "wet road", "bridge by the sea")
]


def pages(systems: Systems, folder: Path) -> tuple[str, str]:
    page = write_comparison(systems, folder / "out")
    return page.read_text(encoding="utf-8"), (folder / "out" / "report.md").read_text(encoding="utf-8")


def rows_of(text: str) -> list[list[str]]:
    """The cells of a Markdown page's tables."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]


def compared(*outputs: list[str], sources: list[str] | None = None, references: list[str] | None = None) -> Systems:
    named = [System(f"system {number}", [texts]) for number, texts in enumerate(outputs)]
    return Systems(sources, [[text] for text in references or TEXTS], named, EvaluationConfig(metrics=("bleu", "chrf")))


WORSE = [text.replace("a ", "a a a ").replace("red", "<unk>") for text in TEXTS]


def test_every_section_is_there_in_both_pages(tmp_path: Path) -> None:
    page, text = pages(compared(TEXTS, WORSE, sources=TEXTS), tmp_path)
    titles = [
        "Scores",
        "Sentence by sentence",
        "Long sentences, rare words",
        "Words and phrases",
        "Health",
        "Where they differ most",
        "All sentences",
    ]
    assert re.findall(r"<h2>(.*?)</h2>", page) == titles
    assert re.findall(r"^## (.*)", text, flags=re.MULTILINE) == titles
    assert "<u>&lt;</u>" in page  # a word that no reference has
    assert "://" not in page


def test_scores_stand_beside_their_difference_and_p_values(tmp_path: Path) -> None:
    _, text = pages(compared(TEXTS, WORSE, TEXTS), tmp_path)
    rows = rows_of(text)
    assert ["system 0", "100.0", "100.0"] in rows
    bleu = next(row for row in rows if row[0] == "system 1" and len(row) == 6)
    score, low, high = float(bleu[1]), *map(float, bleu[2].split(" – "))
    assert low <= score <= high < 100
    assert bleu[3] == f"−{100 - score:.1f}"
    assert all(re.fullmatch(r"0\.0\d+\\\*", cell) for cell in bleu[4:])
    assert ["system 2", "100.0", "100.0 – 100.0", "0.0", "–", "–"] in rows
    assert ["system 1", "0.0%", "0", "0", str(len(TEXTS))] in rows


def test_one_system_without_sources_is_shown_alone(tmp_path: Path) -> None:
    page, text = pages(compared(WORSE), tmp_path)
    assert "p, bootstrap" not in page + text
    assert "better than" not in page + text
    assert "Where they differ most" not in page
    assert "copies of the source" not in text


def test_faults_are_counted(tmp_path: Path) -> None:
    sources, outputs = [*TEXTS[:-1], "la source"], [*WORSE[:-2], "", "la source"]
    _, text = pages(compared(TEXTS, outputs, sources=sources), tmp_path)
    (row,) = [cells for cells in rows_of(text) if cells[0] == "system 1" and len(cells) == 6 and "%" in cells[2]]
    assert float(row[1]) > 1
    assert row[2:] == [f"{count / 18:.1%}" for count in (1, 6, 16, 1)]


@pytest.fixture(scope="module")
def plain_tags(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The elements of a page without hostile text."""
    return read(pages(compared(TEXTS, WORSE, sources=TEXTS), tmp_path_factory.mktemp("plain"))[0]).tags


@pytest.mark.parametrize(
    "text",
    [
        *HOSTILE,
        "\u202e\u2066abc",
        "\ud800",
        "long " * 3000,
        pytest.param("x" * 1_000_000, marks=pytest.mark.slow),
        pytest.param("long " * 200_000, marks=pytest.mark.slow),
    ],
)
def test_hostile_text_stays_text(text: str, plain_tags: list[str], tmp_path: Path) -> None:
    sources, references = [text, *TEXTS[1:]], [f"{text} a b", *TEXTS[1:]]
    hostile = compared(TEXTS, [text, *WORSE[1:]], sources=sources, references=references)
    page, _ = pages(replace(hostile, evaluation=EvaluationConfig(metrics=("chrf",))), tmp_path)
    tags = read(page).tags
    assert set(tags) - {"u"} <= set(plain_tags)
    assert tags.count("script") == plain_tags.count("script")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff\uffff]", page)
    assert len(page) < 200_000


def test_a_large_set_makes_a_page_of_bounded_size(tmp_path: Path) -> None:
    texts = [f"{number} {'word ' * 40}" for number in range(3000)]
    page, text = pages(compared(texts, [*texts[1:], texts[0]], references=texts), tmp_path)
    assert len(page) < 700_000
    assert len(text) < 20_000
    assert "of 3,000 rows, at even distances" in page


def test_runs_show_their_cost_settings_and_curves(digits_run: Path, other_run: Path, tmp_path: Path) -> None:
    systems = Systems(
        ["1", "2"],
        [["1"], ["2"]],
        [
            System("one", [["1", "2"]], [digits_run]),
            System("other", [["1", "1"]], [other_run]),
            System("file", [["2", "2"]]),
        ],
        EvaluationConfig(metrics=("chrf",)),
    )
    page, text = pages(systems, tmp_path)
    assert re.search(r"^\| one \| 1 \| 40 \|", text, re.MULTILINE)
    assert re.search(r"^\| training.max\\_updates \| 40 \| 2 \|", text, re.MULTILINE)
    assert "training.batch" not in text
    assert "<svg" in page
    assert "validation perplexity, by updates" in page


def test_the_command_compares_files_without_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {"ref": TEXTS, "ref2": TEXTS, "a": TEXTS, "b": WORSE}
    for name, lines in files.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    path = {name: str(tmp_path / name) for name in (*files, "out")}
    arguments = ["report", "--ref", path["ref"], path["ref2"], "--hyp", path["a"], "--hyp", path["b"]]
    assert main([*arguments, "--tokenize", "char", "--out", path["out"]]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out' / 'report.html'}\n"
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "nrefs:2" in page
    assert "tok:char" in page
    called = seq2seq.report(
        refs=[path["ref"], path["ref2"]], hyps=[path["a"], path["b"]], tokenize="char", out=tmp_path / "again"
    )
    assert called.read_text(encoding="utf-8") == page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--hyp", "a"], "--ref"),
        (["--ref", "a"], "--hyp"),
        (["run", "--ref", "a"], "found both"),
        (["--ref", "a", "--hyp", "short"], "expected 18 lines"),
        (["--ref", "a", "--hyp", "missing"], "missing"),
        (["run", "--tokenize", "char"], "--tokenize"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(
    arguments: list[str],
    words: str,
    digits_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(digits_run, tmp_path / "run")
    Path("a").write_text("\n".join(TEXTS), encoding="utf-8")
    Path("short").write_text("a\n", encoding="utf-8")
    assert main(["report", *arguments, "--out", "out"]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not Path("out").exists()
