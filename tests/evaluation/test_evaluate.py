"""What an evaluation and its report write, and into which files."""

import json
import shutil
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seq2seq.decoding.outputs import EMPTY
from seq2seq.errors import ConfigError, CorpusError, RunError
from seq2seq.evaluation.evaluate import EvaluatedRun, evaluate
from seq2seq.evaluation.outputs import read_outputs
from seq2seq.evaluation.record import is_evaluated, read_evaluation, summary
from seq2seq.files.hashing import file_sha256
from seq2seq.files.manifest import check_manifest
from seq2seq.files.tensors import load_tensors
from seq2seq.reports.run_page import write_report
from seq2seq.runs.folder import save_model
from seq2seq.training.train import train


@pytest.fixture
def run(digits_run: Path, tmp_path: Path) -> Path:
    folder = shutil.copytree(digits_run, tmp_path / "run")
    for name in ("evaluation.json", "outputs.test.tsv", "README.md"):
        (folder / name).unlink()
    return folder


def timeless(scores: dict[str, Any]) -> dict[str, Any]:
    """Scores without what the clock says, and the digest, which is of that too."""
    return {key: value for key, value in scores.items() if key not in ("seconds", "digest")}


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): file_sha256(path) for path in folder.rglob("*") if path.is_file()}


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() <= after.keys()
    return {name for name in after if after[name] != before.get(name)}


def test_evaluate_writes_scores_and_write_report_writes_pages(run: Path) -> None:
    trained = contents(run)
    evaluated = evaluate(run, device="cpu")
    scored = contents(run)
    assert changed(trained, scored) == {"evaluation.json", "outputs.test.tsv"}
    assert evaluated.written == run
    for page in ("README.md", "report.html"):
        (run / page).write_text("old", encoding="utf-8")
    scored = contents(run)
    write_report(evaluated)
    reported = contents(run)
    assert changed(scored, reported) == {"README.md", "report.html"}


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
    (tmp_path / "ref2").write_text("99\n34\n\n", encoding="utf-8")
    answers = {"12": "21", "34": "34", "": ""}
    monkeypatch.setattr(
        "seq2seq.decoding.predictor.Predictor.best",
        lambda self, sources, options: [replace(EMPTY, text=answers[source]) for source in sources],
    )
    evaluated = evaluate(run, src=tmp_path / "src", refs=[tmp_path / "ref"], device="cpu")
    assert evaluated.scores["exact_match"] == pytest.approx(2 / 3)
    assert evaluated.scores["split"] == str(tmp_path / "src")
    both = evaluate(run, src=tmp_path / "src", refs=[tmp_path / "ref", tmp_path / "ref2"], device="cpu")
    assert both.references == [["21", "99"], ["43", "34"], ["", ""]]
    assert both.scores["exact_match"] == 1.0
    assert both.scores["cer"]["score"] == 0.0
    assert both.scores["bleu"]["signature"].startswith("nrefs:2|")
    (tmp_path / "ref").write_text("\n\n\n", encoding="utf-8")
    assert evaluate(run, src=tmp_path / "src", refs=[tmp_path / "ref"], device="cpu").scores["exact_match"] == 1 / 3


def test_crlf_and_nfd_references_score_as_lf_and_nfc_ones(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    texts = ["où est le garçon là-bas", "señor José y la niña están aquí"]
    monkeypatch.setattr(
        "seq2seq.decoding.predictor.Predictor.best",
        lambda self, sources, options: [replace(EMPTY, text=text) for text in texts],
    )
    (tmp_path / "src").write_text("1\n2\n", encoding="utf-8")
    (tmp_path / "plain").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    odd = "\ufeff" + "".join(f"{unicodedata.normalize('NFD', text)} \r\n" for text in texts)
    (tmp_path / "odd").write_bytes(odd.encode())
    plain, other = (
        evaluate(run, src=tmp_path / "src", refs=[tmp_path / name], device="cpu").scores for name in ("plain", "odd")
    )
    assert other["bleu"]["score"] == pytest.approx(100)
    assert other["exact_match"] == 1.0
    assert timeless(other) == timeless(plain)


def test_a_users_own_files_never_change_a_run(run: Path, tmp_path: Path) -> None:
    evaluate(run, device="cpu")
    before = contents(run)
    (tmp_path / "src").write_text("12\n", encoding="utf-8")
    files = {"src": tmp_path / "src", "refs": [tmp_path / "src"]}
    assert evaluate(run, **files, device="cpu").written is None
    assert evaluate(run, **files, out=tmp_path / "out", device="cpu").written == tmp_path / "out"
    evaluate(run, run, **files, device="cpu")
    with pytest.raises(RunError, match="expected a new or empty folder"):
        evaluate(run, **files, out=run, device="cpu")
    assert contents(run) == before
    assert set(contents(tmp_path / "out")) == {"evaluation.json", "outputs.tsv"}


def test_an_ensemble_belongs_to_none_of_its_members(run: Path, tmp_path: Path) -> None:
    before = contents(run)
    alone = evaluate(run, out=tmp_path / "alone", device="cpu")
    both = evaluate(run, run, out=tmp_path / "both", device="cpu")
    assert contents(run) == before
    assert both.scores["weights"] == f"{alone.scores['weights']} {alone.scores['weights']}"
    assert [output.text for output in both.outputs] == [output.text for output in alone.outputs]
    assert both.scores["chrf"] == alone.scores["chrf"]
    assert evaluate(run, run, device="cpu").written is None


def test_members_of_other_corpora_are_warned_of(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = shutil.copytree(run, tmp_path / "other")
    corpus = check_manifest(run)["corpus"] | {"fingerprint": "of another"}
    save_model(other, load_tensors(other / "model.safetensors"), {"corpus": corpus})
    evaluate(run, other, device="cpu")
    assert f"warning: {other} was trained on another corpus than {run}" in capsys.readouterr().err
    evaluate(run, run, device="cpu")
    assert "another corpus" not in capsys.readouterr().err


def test_the_written_table_is_what_was_scored(run: Path) -> None:
    evaluated = evaluate(run, device="cpu")
    rows = read_outputs(run / "outputs.test.tsv")
    assert [row.source for row in rows] == list(evaluated.sources)
    assert [list(row.references) for row in rows] == [list(texts) for texts in evaluated.references]
    assert [row.output for row in rows] == [output.text for output in evaluated.outputs]
    assert [row.log_prob for row in rows] == pytest.approx([output.log_prob for output in evaluated.outputs], abs=1e-4)
    assert evaluated.scores["outputs"] == file_sha256(run / "outputs.test.tsv")


def test_settings_of_the_evaluation_can_be_others(run: Path) -> None:
    overrides = ["evaluation.tokenize=char", "evaluation.metrics=['bleu', 'chrf++', 'wer']", "decoding.beam=2"]
    scores = evaluate(run, overrides=overrides, device="cpu").scores
    assert scores["beam"] == 2
    assert "tok:char" in scores["bleu"]["signature"]
    assert "|nw:2|" in scores["chrf++"]["signature"]
    assert scores["bleu"]["note"] == ""  # nine digits are nine tokens
    assert "ter" not in scores
    with pytest.raises(ConfigError, match=r"expected a setting of data, decoding, evaluation"):
        evaluate(run, overrides=["model.layers=1"])


def test_a_corpus_that_moved_is_found_by_its_fingerprint(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "c.tsv").write_text("".join(f"{n}\t{n + 1}\n" for n in range(60)), encoding="utf-8")
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f"""
        [data]
        format = "tsv"
        path = "{old}"
        train = "c.tsv"
        src = "1"
        tgt = "2"
        validation_size = 5
        test_size = 5
        directory = "{tmp_path / "data"}"
        [subword]
        type = "char"
        vocab_size = 400
        [model]
        layers = 1
        hidden_size = 8
        embedding_size = 8
        [training]
        max_updates = 2
        """
    )
    run = train(str(recipe), run=tmp_path / "run", device="cpu")
    scores = read_evaluation(run)
    old.rename(new)
    with pytest.raises(CorpusError, match="is missing"):
        evaluate(run, device="cpu")
    moved = evaluate(run, overrides=[f"data.path={new}"], device="cpu").scores
    assert timeless(moved) == timeless(scores)
    train(str(recipe), run=run, overrides=[f"data.path={new}", "training.max_updates=3"], device="cpu")
    (new / "c.tsv").write_text("".join(f"{n}\t{n + 2}\n" for n in range(60)), encoding="utf-8")
    with pytest.raises(CorpusError, match="or is another corpus, so test sentences could be among"):
        evaluate(run, overrides=[f"data.path={new}"], device="cpu")


def test_labels_have_an_accuracy_and_a_table(run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "src").write_text("1\n2\n" * 8, encoding="utf-8")
    (tmp_path / "ref").write_text("odd\neven\n" * 8, encoding="utf-8")
    answers = ["odd", "even"] * 6 + ["even", "even"] + ["no label", "odd"]
    monkeypatch.setattr(
        "seq2seq.decoding.predictor.Predictor.best",
        lambda self, sources, options: [replace(EMPTY, text=text) for text in answers],
    )
    scores = evaluate(run, src=tmp_path / "src", refs=[tmp_path / "ref"], device="cpu").scores
    assert scores["labels"] == {"labels": ("even", "odd"), "counts": ((7, 1, 0), (1, 6, 1)), "accuracy": 13 / 16}
    assert scores["exact_match"] == 13 / 16
    assert scores["bleu"]["note"] == "no 4-grams"
    shown = [line.split() for line in summary(scores).splitlines()]
    assert ["even", "odd", "other"] in shown
    assert ["even", "7", "1", "0"] in shown
    assert ["odd", "1", "6", "1"] in shown
    assert any(line[:2] == ["accuracy", "81.2%;"] for line in shown)


def test_scores_are_of_the_model_that_is_there(run: Path, other_run: Path) -> None:
    assert not is_evaluated(run)
    evaluate(run, device="cpu")
    assert is_evaluated(run)
    for name in ("model.safetensors", "manifest.json", "config.toml", *(path.name for path in other_run.glob("sub*"))):
        shutil.copy(other_run / name, run / name)
    assert not is_evaluated(run)


def test_sources_without_references_are_refused(run: Path) -> None:
    for files in ({"src": run / "log.jsonl"}, {"refs": [run / "log.jsonl"]}):
        with pytest.raises(ConfigError, match="expected source and reference files together"):
            evaluate(run, **files, device="cpu")


def test_nothing_to_evaluate_and_damaged_scores_are_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(CorpusError, match="there is nothing to evaluate"):
        evaluate(run, src=tmp_path / "empty", refs=[tmp_path / "empty"], device="cpu")
    with pytest.raises(RunError, match=r"cannot be read .*: run seq2seq evaluate again"):
        read_evaluation(run)
    (run / "evaluation.json").write_text('{"exact_match": 1.0}')
    with pytest.raises(RunError, match="is damaged: run seq2seq evaluate again"):
        read_evaluation(run)


def test_the_summary_holds_every_score_with_interval_and_signature(run: Path) -> None:
    evaluated: EvaluatedRun = evaluate(run, device="cpu")
    lines = summary(evaluated.scores).splitlines()
    assert lines[0] == f"30 sentences of test, beam {evaluated.scores['beam']}:"
    labels = {"bleu": "BLEU", "chrf": "chrF2", "ter": "TER", "cer": "CER", "wer": "WER"}
    for line, (name, label) in zip(lines[1:6], labels.items(), strict=True):
        score = evaluated.scores[name]
        assert line.split()[:2] == [label, f"{score['score']:.1f}"]
        assert f"[{score['low']:.1f}, {score['high']:.1f}]" in line
        assert line.endswith(score["signature"])
    assert "(no 4-grams)" in lines[1]
    assert lines[6:] == [f"  exact match {evaluated.scores['exact_match']:.1%}"]
