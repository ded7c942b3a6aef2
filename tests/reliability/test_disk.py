"""Disks that refuse: one line that says why and what to do, and the old checkpoint is whole."""

import errno
import json
import os
from pathlib import Path

import pytest
from children import Child
from reference import Reference
from work import on_small_disk, save_without_permission

from seq2seq.errors import RunError
from seq2seq.files.atomic import write_atomic


@pytest.mark.slow
def test_a_full_disk_and_a_read_only_one_stop_training_and_cost_nothing(reference: Reference, tmp_path: Path) -> None:
    run = tmp_path / "run"
    status, words = Child(on_small_disk, tmp_path, str(run), *reference.arguments(run)).end()
    if "missing: " in words:
        pytest.fail(f"this test needs a real disk to fill, a tmpfs of its own, but there is {words[9:].strip()}")
    assert status == 0, words
    said = [line for line in words.splitlines() if line.startswith("seq2seq: ")]
    assert len(said) == 2, words
    assert "the disk is full (" in said[0]
    assert "make room there" in said[0]
    assert "this disk is read-only: have it mounted for writing" in said[1]
    assert all(line.endswith("what was saved before is whole") for line in said)
    found = json.loads(words.splitlines()[-1])
    assert found["statuses"] == [2, 2, 0]
    assert found["whole"]
    # With room again the same command ends as if the disk had always had it.
    assert found["ending"] == json.loads(json.dumps(reference.ending))


def test_no_permission_is_said(tmp_path: Path) -> None:
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):  # pytest's are for their owner only
        folder.chmod(0o755)
    _, words = Child(save_without_permission, tmp_path).end()
    assert "you have no permission to write there: change the folder's owner or mode" in words


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EDQUOT, "your quota on this disk is used up: make room in it"),
        (errno.EROFS, "this disk is read-only"),
        (errno.EACCES, "you have no permission"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_every_refusal_is_one_line_and_keeps_the_old_file(
    number: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomic(tmp_path / "file", b"old")

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(RunError, match=reason) as caught:
        write_atomic(tmp_path / "file", b"new")
    assert "\n" not in str(caught.value)
    assert (tmp_path / "file").read_bytes() == b"old"
