"""Locks: one holder at a time; others wait or are told who it is."""

import errno
import fcntl
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from seq2seq.errors import RunError
from seq2seq.files.lock import file_lock, is_locked, locked


def test_whoever_comes_second_is_told_once_and_waits(tmp_path: Path) -> None:
    told, events = threading.Event(), []

    def second() -> None:
        def if_taken() -> None:
            events.append("told")
            told.set()

        with file_lock(tmp_path / "lock", if_taken) as failure:
            assert failure is None
            events.append("second")

    with ThreadPoolExecutor(1) as pool:
        with file_lock(tmp_path / "lock", lambda: pytest.fail("nobody holds it")) as failure:
            assert failure is None
            future = pool.submit(second)
            assert told.wait(10)
            events.append("first")
        future.result(10)
    assert events == ["told", "first", "second"]
    assert (tmp_path / "lock").exists()


def test_whoever_does_not_wait_leaves_the_lock_to_its_holder(tmp_path: Path) -> None:
    with locked(tmp_path / "run"):
        for _ in range(2):
            holder = rf"trained already, by process {os.getpid()} on {socket.gethostname()}: wait for it"
            with pytest.raises(RunError, match=holder), locked(tmp_path / "run"):
                pytest.fail("two at a time")
    with locked(tmp_path / "run"):
        pass


def test_who_asks_learns_whether_a_lock_is_held_and_takes_nothing(tmp_path: Path) -> None:
    assert is_locked(tmp_path) is False
    assert list(tmp_path.iterdir()) == []
    with locked(tmp_path):
        assert is_locked(tmp_path) is True
        with pytest.raises(RunError, match="is being trained already"), locked(tmp_path):
            pytest.fail("two at a time")
    assert is_locked(tmp_path) is False
    with locked(tmp_path):
        assert is_locked(tmp_path) is True


def test_a_lock_that_may_be_known_to_another_machine_alone_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(tmp_path):
        pass
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    assert is_locked(tmp_path) is None


def test_a_training_that_begins_while_another_process_asks_is_not_refused(tmp_path: Path) -> None:
    with locked(tmp_path):
        pass
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            is_locked(tmp_path)

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            for _ in range(100):
                with locked(tmp_path):
                    pass
        finally:
            done.set()
        asking.result(10)


def test_a_folder_that_only_a_refused_training_made_goes_again(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    for name, leaves, stays in (("new", False, False), ("old", False, True), ("other", True, True)):
        with suppress(KeyError), locked(tmp_path / name):
            if leaves:
                (tmp_path / name / ".file").touch()
            raise KeyError
        assert (tmp_path / name).exists() is stays


def test_a_lock_is_released_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EIO])
def test_where_files_cannot_be_locked_training_warns_and_goes_on(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path):
        pass
    assert is_locked(tmp_path) is None
    warning = capsys.readouterr().err
    assert warning.startswith(f"warning: {tmp_path} cannot be locked ([Errno {number}]")
    assert warning.endswith("make sure that nothing else trains there\n")


def test_a_folder_that_cannot_be_written_is_an_error_and_not_one_without_locks(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"cannot write .*file: a file is in the way"), locked(tmp_path / "file"):
        pytest.fail("not a folder")
