"""Folders made once: by one at a time, whole, and never used once they are damaged."""

import errno
import fcntl
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from seq2seq.errors import CorpusError, RunError
from seq2seq.files.cache import find_or_make


def fill(folder: Path) -> None:
    (folder / "tokens").write_bytes(bytes(range(256)))
    (folder / "report.json").write_text("{}", encoding="utf-8")


def never(_: Path) -> None:
    pytest.fail("made again")


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    folder = tmp_path / "a cache" / "key"
    find_or_make(folder, fill)
    find_or_make(folder, never)
    assert (folder / "tokens").read_bytes() == bytes(range(256))


def test_every_flipped_bit_and_every_missing_file_is_seen(tmp_path: Path) -> None:
    folder = tmp_path / "key"
    find_or_make(folder, fill)
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for place in range(len(whole)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
            with pytest.raises(CorpusError, match=r"remove .*key"):
                find_or_make(folder, never)
        path.write_bytes(whole)
    sums = folder / "SHA256SUMS"
    whole = sums.read_bytes()
    for size in range(len(whole) - 1):  # a last line without its end says the same
        sums.write_bytes(whole[:size])
        with pytest.raises(CorpusError, match=r"remove .*key"):
            find_or_make(folder, never)
    sums.write_bytes(whole)
    (folder / "tokens").unlink()
    with pytest.raises(CorpusError, match="tokens"):
        find_or_make(folder, never)


def test_where_files_cannot_be_locked_each_makes_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    def make_while_another_does(folder: Path) -> None:
        fill(folder)
        monkeypatch.setattr(os, "getpid", lambda: -1)
        find_or_make(tmp_path / "key", fill)

    monkeypatch.setattr(fcntl, "flock", refuse)
    find_or_make(tmp_path / "key", make_while_another_does)
    find_or_make(tmp_path / "key", never)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "key.lock"]


def test_a_full_disk_is_said_in_a_line(tmp_path: Path) -> None:
    def fail(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RunError, match=r"cannot write .*key: the disk is full \(.* MB free .* another disk"):
        find_or_make(tmp_path / "key", fail)
    find_or_make(tmp_path / "key", fill)


def test_several_wait_for_the_one_that_makes_it_and_say_so_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, slow = [], threading.Lock()

    def make(folder: Path) -> None:
        assert slow.acquire(blocking=False), "two at a time"
        time.sleep(0.2)
        fill(folder)
        made.append(folder)
        slow.release()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: find_or_make(tmp_path / "key", make), range(4)))
    assert len(made) == 1
    waiting = capsys.readouterr().err.splitlines()
    assert waiting == ["waiting for another process that prepares this corpus"] * 3


def test_what_a_killed_process_left_is_cleared_away(tmp_path: Path) -> None:
    scratch = tmp_path / "key.making"
    scratch.mkdir()
    (scratch / "half").touch()
    find_or_make(tmp_path / "key", fill)
    assert sorted(path.name for path in (tmp_path / "key").iterdir()) == ["SHA256SUMS", "report.json", "tokens"]
    assert not scratch.exists()


def test_whoever_may_read_the_parent_may_read_it(tmp_path: Path) -> None:
    find_or_make(tmp_path / "key", fill)
    (tmp_path / "other").mkdir()
    assert (tmp_path / "key").stat().st_mode == (tmp_path / "other").stat().st_mode
