"""The page of a run: whole, true to its files, the same in HTML and Markdown, and bounded whatever the texts are."""

import hashlib
import re
import shutil
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

import seq2seq
from seq2seq.decoding.outputs import EMPTY
from seq2seq.decoding.predictor import Predictor
from seq2seq.evaluation.record import read_evaluation
from seq2seq.evaluation.reopen import evaluated_run
from seq2seq.reports.page import html_page, markdown_page
from seq2seq.reports.run_page import run_sections
from seq2seq.reports.samples import Sample, samples_section

SECTIONS = [
    "Scores",
    "Model and training",
    "Learning curves",
    "Long sentences, rare words",
    "Health",
    "Words and phrases",
    "Calibration",
    "Sentence vectors",
    "Samples",
    "Use",
]
HOSTILE = ["</script><script>document.title='bad'</script>", "<!--", "\u202e\u2067right to left", "a\x00b", "|", "${1}"]


@pytest.fixture
def run(digits_run: Path, tmp_path: Path) -> Path:
    """A copy, since pages are written into it."""
    return Path(shutil.copytree(digits_run, tmp_path / "run"))


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_both_pages_have_all_sections_and_the_scores_of_the_evaluation(run: Path, tmp_path: Path) -> None:
    page = seq2seq.report(run, out=tmp_path / "out", device="cpu").read_text(encoding="utf-8")
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert [unescape(title) for title in re.findall("<h2>(.*?)</h2>", page)] == SECTIONS
    assert re.findall("^## (.*)$", text, flags=re.MULTILINE) == SECTIONS
    for name in ("bleu", "chrf", "ter", "cer", "wer"):
        score = read_evaluation(run)[name]
        assert f"{score['score']:.1f}" in page
        assert score["signature"] in page
        assert score["signature"].replace("|", "\\|").replace("_", "\\_") in text


def test_a_page_elsewhere_changes_nothing_in_the_run(run: Path, tmp_path: Path) -> None:
    before = hashes(run)
    seq2seq.report(run, out=tmp_path / "out", device="cpu")
    assert hashes(run) == before


def test_the_run_gets_its_page_and_card_and_stays_a_run(run: Path) -> None:
    (run / "report.html").unlink()
    (run / "README.md").unlink()
    assert seq2seq.report(run, device="cpu") == run / "report.html"
    assert (run / "README.md").is_file()
    assert seq2seq.load(run, device="cpu").translate(["123"])


def test_a_training_ends_with_the_page(digits_run: Path) -> None:
    assert "<h2>Samples</h2>" in (digits_run / "report.html").read_text(encoding="utf-8")


def test_outputs_are_read_again_where_they_are_those_of_the_model(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = seq2seq.evaluate(run, device="cpu")
    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "best", None)  # nothing may be decoded
        again = evaluated_run(run, device="cpu")
    assert [output.text for output in again.outputs] == [output.text for output in fresh.outputs]
    assert (again.sources, again.scores) == (list(fresh.sources), fresh.scores)
    (run / "outputs.test.tsv").write_text("source\toutput\tchrf\tlog_prob\treference\nforged\tx\t1\t-1\tx\n")
    assert "forged" not in evaluated_run(run, device="cpu").sources


def test_only_outputs_as_long_as_they_may_be_are_said_to_be(run: Path) -> None:
    evaluated = evaluated_run(run, device="cpu")
    outputs = [replace(EMPTY, text="1", ids=(5,)) for _ in evaluated.outputs]
    outputs[3] = replace(EMPTY, text="1", ids=(5,) * 1000)
    sections = {section.title: section for section in run_sections(replace(evaluated, outputs=outputs))}
    assert f"| output as long as it may be | 1 | {1 / len(outputs):.1%} |" in sections["Health"].markdown


def test_nothing_is_fetched_and_only_our_script_runs(run: Path) -> None:
    page = html_page("title", "lead", run_sections(evaluated_run(run, device="cpu")))
    policy = re.search('content="(default-src [^"]*)"', page)
    assert policy is not None
    assert "default-src &#39;none&#39;" in policy[1] or "default-src 'none'" in policy[1]
    assert not re.search(r"https?://|url\(|@import|<link|<iframe", page)
    assert len(re.findall("<script>", page)) == 1


def test_hostile_outputs_stay_text(run: Path) -> None:
    evaluated = evaluated_run(run, device="cpu")
    plain = html_page("title", "lead", run_sections(evaluated))
    texts = (HOSTILE * 10)[: len(evaluated.outputs)]
    outputs = [replace(EMPTY, text=text, ids=(5, 6, 7)) for text in texts]
    hostile = replace(evaluated, outputs=outputs, references=[[text] for text in texts])
    sections = run_sections(hostile)
    page, text = html_page("title", "lead", sections), markdown_page("title", "lead", sections)
    assert page.count("<script") == plain.count("<script")
    assert page.count("</script") == plain.count("</script")
    assert not re.search("[\x00\x07\ud800-\udfff]", page)
    assert "<script" not in text
    assert "<!--" not in text


def test_a_page_is_bounded_and_says_what_it_leaves_out() -> None:
    long = samples_section([Sample("x" * 1_000_000, ["y" * 1_000_000], "z" * 1_000_000, 1.0, -1.0)] * 3)
    assert len(long.html) < 20_000
    assert "are cut" in long.html
    many = samples_section([Sample(f"source {n}", [f"reference {n}"], "output", 1.0, -1.0) for n in range(100_000)])
    assert len(many.html) < 2_500_000
    assert re.search(r"[\d,]+ of 100,000 rows", many.html)
    few = samples_section([Sample("source", ["reference"], "output", 1.0, -1.0)] * 3)
    assert "are cut" not in few.html
    assert "of 3 rows" not in few.html
