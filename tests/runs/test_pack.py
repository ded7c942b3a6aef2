"""A run as one file."""

import itertools
import os
import shutil
import tarfile
import time
from pathlib import Path

import pytest

import seq2seq
from seq2seq.errors import RunError
from seq2seq.runs.pack import pack


def test_what_is_unpacked_answers_as_the_run_does(digits_run: Path, tmp_path: Path) -> None:
    packed = pack(digits_run, tmp_path / "run.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path / "there", filter="data")
    (unpacked,) = (tmp_path / "there").iterdir()
    assert unpacked.name == digits_run.name
    assert seq2seq.load(unpacked, device="cpu").translate(["123"]) == seq2seq.load(digits_run, device="cpu").translate(
        ["123"]
    )
    for path in unpacked.iterdir():
        assert path.read_bytes() == (digits_run / path.name).read_bytes()
    assert {"README.md", "evaluation.json", "report.html", "outputs.test.tsv", "log.jsonl"} <= set(os.listdir(unpacked))


def test_a_packed_run_holds_plain_files_in_one_folder_and_nothing_else(digits_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(digits_run, run)
    assert list((run / "checkpoints").iterdir())
    (run / "private notes").write_text("not for others")
    (run / "evaluation.json").unlink()
    (run / "evaluation.json").symlink_to(digits_run / "evaluation.json")
    with tarfile.open(pack(run)) as archive:
        members = archive.getmembers()
    assert all(member.isfile() for member in members)
    assert all(Path(member.name).parent == Path("run") for member in members)
    assert not {"run/private notes", "run/training.lock", "run/training.holder"} & {member.name for member in members}
    assert {(member.uid, member.gid, member.uname, member.mtime, member.mode) for member in members} == {
        (0, 0, "", 0, 0o644)
    }


def test_the_same_run_gives_the_same_bytes_at_any_time(
    digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(1_000_000_000, 3600)
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    one, other = pack(digits_run, tmp_path / "one.tar.gz"), pack(digits_run, tmp_path / "other.tar.gz")
    assert one.read_bytes() == other.read_bytes()


def test_what_cannot_be_packed_is_refused_and_leaves_nothing(digits_run: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(RunError, match="exists already"):
        pack(digits_run, tmp_path / "there")
    assert (tmp_path / "there").read_text() == "mine"
    run = tmp_path / "run"
    shutil.copytree(digits_run, run)
    with (run / "model.safetensors").open("r+b") as model:
        model.seek(-1, os.SEEK_END)
        model.write(b"\x7f")
    with pytest.raises(RunError, match="is damaged"):
        pack(run)
    with pytest.raises(RunError, match="no folder"):
        pack(digits_run, tmp_path / "nowhere" / "run.tar.gz")
    assert {path.name for path in tmp_path.iterdir()} == {"there", "run"}
