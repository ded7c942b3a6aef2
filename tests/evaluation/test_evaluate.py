"""What an evaluation and its report write, and into which files."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from seq2seq.decoding.outputs import EMPTY
from seq2seq.errors import CorpusError, RunError
from seq2seq.evaluation.evaluate import EvaluatedRun, evaluate
from seq2seq.evaluation.record import is_evaluated, read_evaluation, summary
from seq2seq.files.hashing import file_sha256
from seq2seq.model.vision.features import Pictures
from seq2seq.reports.report import write_report


@pytest.fixture
def run(digits_run: Path, tmp_path: Path) -> Path:
    folder = shutil.copytree(digits_run, tmp_path / "run")
    for name in ("evaluation.json", "README.md"):
        (folder / name).unlink()
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): file_sha256(path) for path in folder.rglob("*") if path.is_file()}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() <= after.keys()
    return {name for name in after if after[name] != before.get(name)}


def test_evaluate_writes_scores_and_write_report_writes_pages(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = contents(run)
    evaluated = evaluate(run, device="cpu")
    scored = contents(run)
    assert changed(trained, scored) == {"evaluation.json"}
    write_report(evaluated)
    reported = contents(run)
    assert changed(scored, reported) == {"README.md"}

    monkeypatch.setattr("seq2seq.reports.report.picture_page", lambda evaluated: f"<p>{evaluated.name}</p>")
    write_report(replace(evaluated, pictures=cast(Pictures, object())))
    assert changed(reported, contents(run)) == {"report.html"}
    assert (run / "report.html").read_text() == "<p>run</p>"


def test_an_evaluated_run_holds_what_was_written(run: Path) -> None:
    evaluated = evaluate(run, split="validation", device="cpu")
    assert read_evaluation(run) == json.loads((run / "evaluation.json").read_bytes()) == evaluated.scores
    assert evaluated.scores["split"] == "validation"
    assert evaluated.scores["sentences"] == 20 == len(evaluated.outputs)
    assert evaluated.scores["beam"] == evaluated.config.decoding.beam
    matches = [output.text in row for output, row in zip(evaluated.outputs, evaluated.references, strict=True)]
    assert evaluated.scores["exact_match"] == sum(matches) / 20
    assert evaluated.pictures is None
    assert evaluated.scores["captions"] is None


def test_references_decide_the_scores(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "src").write_text("12\n34\n\n", encoding="utf-8")
    (tmp_path / "ref").write_text("21\n43\n\n", encoding="utf-8")
    answers = {"12": "21", "34": "34", "": ""}
    monkeypatch.setattr(
        "seq2seq.decoding.predictor.Predictor.best",
        lambda self, sources, options: [replace(EMPTY, text=answers[source]) for source in sources],
    )
    evaluated = evaluate(run, files=(tmp_path / "src", tmp_path / "ref"), device="cpu")
    assert evaluated.scores["exact_match"] == pytest.approx(2 / 3)
    assert evaluated.scores["split"] == str(tmp_path / "src")
    (tmp_path / "ref").write_text("\n\n\n", encoding="utf-8")
    assert evaluate(run, files=(tmp_path / "src", tmp_path / "ref"), device="cpu").scores["exact_match"] == 1 / 3


def test_scores_are_of_the_model_that_is_there(run: Path, other_run: Path) -> None:
    assert not is_evaluated(run)
    evaluate(run, device="cpu")
    assert is_evaluated(run)
    for name in ("model.safetensors", "manifest.json", "config.toml", *(path.name for path in other_run.glob("sub*"))):
        shutil.copy(other_run / name, run / name)
    assert not is_evaluated(run)


def test_nothing_to_evaluate_and_damaged_scores_are_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(CorpusError, match="there is nothing to evaluate"):
        evaluate(run, files=(tmp_path / "empty", tmp_path / "empty"), device="cpu")
    with pytest.raises(RunError, match=r"cannot be read .*: run seq2seq evaluate again"):
        read_evaluation(run)
    (run / "evaluation.json").write_text('{"exact_match": 1.0}')
    with pytest.raises(RunError, match="is damaged: run seq2seq evaluate again"):
        read_evaluation(run)


def test_the_summary_holds_every_score_with_interval_and_signature(run: Path) -> None:
    evaluated: EvaluatedRun = evaluate(run, device="cpu")
    lines = summary(evaluated.scores).splitlines()
    assert lines[0] == f"30 sentences of test, beam {evaluated.scores['beam']}:"
    for line, name, label in zip(lines[1:4], ("bleu", "chrf", "ter"), ("BLEU", "chrF2", "TER"), strict=True):
        score = evaluated.scores[name]
        assert line.split()[:2] == [label, f"{score['score']:.1f}"]
        assert f"[{score['low']:.1f}, {score['high']:.1f}]" in line
        assert line.endswith(score["signature"])
    assert lines[4:] == [f"  exact match {evaluated.scores['exact_match']:.1%}"]
