"""Which systems are compared: lines that fit together, runs of one recipe, and refusals of all else."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from seq2seq.errors import CorpusError, RunError, Seq2SeqError
from seq2seq.evaluation.evaluate import evaluate
from seq2seq.evaluation.outputs import OutputRow, read_outputs, to_tsv
from seq2seq.evaluation.record import read_evaluation
from seq2seq.evaluation.systems import systems_of_files, systems_of_runs
from seq2seq.files.hashing import file_sha256
from seq2seq.files.manifest import commit_files, digest

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def one(name: str, content: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content.encode())
        return path

    return one


def test_lines_of_files_belong_together(write: Write) -> None:
    refs = [write("ref1", "one two\nthree\n\n"), write("ref2", "1 2\n\nx\n")]
    found = systems_of_files(
        write("src", "un deux\ntrois\n\n"), refs, [write("a", "one\n\n\n"), write("b", "two\n3\n4")]
    )
    assert found.sources == ["un deux", "trois", ""]
    assert found.references == [("one two", "1 2"), ("three",), ("", "x")]
    assert [(system.name, system.outputs) for system in found.systems] == [
        ("a", [["one", "", ""]]),
        ("b", [["two", "3", "4"]]),
    ]


def test_line_ends_and_spelling_of_accents_change_nothing(write: Write) -> None:
    plain = systems_of_files(None, [write("ref", "café noir\nb\n")], [write("hyp", "café\nb\n")])
    windows = systems_of_files(None, [write("ref", "cafe\u0301 noir\r\nb\r\n")], [write("hyp", "cafe\u0301\r\nb\r\n")])
    assert plain == windows
    assert plain.sources is None


@pytest.mark.parametrize("side", ["src", "ref2", "hyp"])
@pytest.mark.parametrize("content", ["a\n", "a\nb\nc\n", ""])
def test_a_file_of_another_length_is_refused_in_one_line(write: Write, side: str, content: str) -> None:
    files = {name: write(name, "a\nb\n") for name in ("src", "ref", "ref2", "hyp")}
    write(side, content)
    with pytest.raises(
        CorpusError, match=rf"{side} does not fit .*ref: expected 2 lines.*found {content.count(chr(10))}"
    ):
        systems_of_files(files["src"], [files["ref"], files["ref2"]], [files["hyp"]])


@pytest.mark.parametrize("content", [None, b"", b"\xffa\n"])
def test_references_that_are_missing_empty_or_no_utf8_are_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "ref").write_bytes(content)
    (tmp_path / "hyp").write_bytes(b"a\n")
    with pytest.raises(Seq2SeqError, match="ref") as refusal:
        systems_of_files(None, [tmp_path / "ref"], [tmp_path / "hyp"])
    assert "\n" not in str(refusal.value)


def test_files_of_the_same_name_are_told_apart(write: Write) -> None:
    paths = [write("one/out", "a\n"), write("two/out", "b\n")]
    found = systems_of_files(None, [write("ref", "a\n")], paths)
    assert [system.name for system in found.systems] == [str(path) for path in paths]


@pytest.fixture(scope="module")
def run(digits_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shutil.copytree(digits_run, tmp_path_factory.mktemp("systems") / "first")
    evaluate(folder, device="cpu")
    return folder


def copy(run: Path, name: str, old: str = "", new: str = "") -> Path:
    """A copy of a run with a part of its settings changed."""
    folder = shutil.copytree(run, run.parent / name, dirs_exist_ok=True)
    config = (folder / "config.toml").read_text(encoding="utf-8")
    assert old in config
    (folder / "config.toml").write_text(config.replace(old, new, 1), encoding="utf-8")
    commit_files(folder, ["config.toml"])
    return folder


def replace_outputs(run: Path, rows: list[OutputRow]) -> None:
    """Changes a run's table of outputs, and what its evaluation says of it."""
    (run / "outputs.test.tsv").write_bytes(to_tsv(rows))
    scores = read_evaluation(run) | {"outputs": file_sha256(run / "outputs.test.tsv")}
    (run / "evaluation.json").write_text(json.dumps({**scores, "digest": digest(scores)}), encoding="utf-8")


def test_runs_that_differ_in_their_seed_alone_are_one_system(run: Path) -> None:
    again = copy(run, "again", "seed = 1\n", "seed = 2\n")
    other = copy(run, "other", "max_updates = 40", "max_updates = 41")
    found = systems_of_runs([run, other, again])
    assert [(system.name, system.runs) for system in found.systems] == [
        ("first (2 seeds)", [run, again]),
        ("other", [other]),
    ]
    rows = read_outputs(run / "outputs.test.tsv")
    assert found.systems[0].outputs[0] == [row.output for row in rows]
    assert found.references == [row.references for row in rows]


def test_outputs_of_other_programs_join_runs(run: Path, write: Write) -> None:
    found = systems_of_runs([run], [write("rival", "1\n" * 30)])
    assert [system.name for system in found.systems] == ["first", "rival"]
    with pytest.raises(CorpusError, match=r"rival does not fit .*: expected 30 lines.*found 2"):
        systems_of_runs([run], [write("rival", "1\n2\n")])


def test_runs_with_other_test_sentences_are_refused(run: Path) -> None:
    other = copy(run, "others")
    rows = read_outputs(other / "outputs.test.tsv")
    replace_outputs(other, [replace(rows[0], source="0"), *rows[1:]])
    with pytest.raises(CorpusError, match="different test sentences"):
        systems_of_runs([run, other])


def test_a_run_that_is_not_evaluated_is_refused(run: Path) -> None:
    fresh = copy(run, "fresh")
    with (fresh / "outputs.test.tsv").open("a", encoding="utf-8") as table:
        table.write("more\n")
    with pytest.raises(RunError, match=r"seq2seq evaluate --model .*fresh"):
        systems_of_runs([run, fresh])
    for name in ("outputs.test.tsv", "evaluation.json"):
        (fresh / name).unlink()
        with pytest.raises(RunError, match=r"seq2seq evaluate --model .*fresh"):
            systems_of_runs([run, fresh])
