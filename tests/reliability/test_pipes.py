"""What is written to a pipe arrives whole, or the command says that its reader has gone."""

import fcntl
import os
import time
from pathlib import Path

import pytest
from children import Child
from stubs import unbuffered_command

_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ


@pytest.mark.parametrize("command", ["translate", "score"])
def test_a_slow_reader_of_a_small_pipe_gets_every_byte(command: str, tmp_path: Path) -> None:
    lines = [f"{number} {'x' * (number % 97)}\n" for number in range(20_000)]
    (tmp_path / "src").write_text("".join(lines))
    os.mkfifo(tmp_path / "pipe")
    files = ["--src", str(tmp_path / "src"), *(["--tgt", str(tmp_path / "src")] if command == "score" else [])]
    child = Child(unbuffered_command, tmp_path / "pipe", command, "--model", "none", *files)
    read = b""
    with (tmp_path / "pipe").open("rb", buffering=0) as pipe:
        fcntl.fcntl(pipe, _SET_PIPE_SIZE, 4096)
        while chunk := pipe.read(60_000):
            read += chunk
            time.sleep(0.0005)
    status, words = child.end()
    assert status == 0, words
    if command == "translate":
        assert read == "".join(f"{line.strip()}\n" for line in lines).encode()
    assert read.count(b"\n") == len(lines)


@pytest.mark.parametrize("size", [0, 1, 5000])
def test_a_reader_that_leaves_in_the_middle_of_a_write_gives_141(size: int, tmp_path: Path) -> None:
    (tmp_path / "src").write_text("123456789\n" * 10_000)
    os.mkfifo(tmp_path / "pipe")
    child = Child(unbuffered_command, tmp_path / "pipe", "translate", "--model", "none", "--src", str(tmp_path / "src"))
    with (tmp_path / "pipe").open("rb", buffering=0) as pipe:
        fcntl.fcntl(pipe, _SET_PIPE_SIZE, 4096)
        while size > 0:
            size -= len(pipe.read(size))
        time.sleep(0.1)
    assert child.end() == (141, "")
