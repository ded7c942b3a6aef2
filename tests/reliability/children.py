"""Processes that can be killed, starved and locked up without harm to the tests.

Each is forked from a server that has imported torch, which takes seconds, and has computed nothing: a child of the
tests' own process would inherit locks of torch's threads, but not the threads.
"""

import multiprocessing
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

_SERVER = multiprocessing.get_context("forkserver")
# The last is what torch imports when a model is first built or trained, and takes as long as all the others.
_SERVER.set_forkserver_preload(["seq2seq.cli", "seq2seq.training.train", "datasets", "torch._dynamo"])
_PATIENCE = 120  # seconds after which a child hangs


class Child:
    """``work(*args)`` in a process of its own; what it returns is the exit status."""

    def __init__(self, work: Callable[..., int], *args: object, threads: int = 1) -> None:
        with tempfile.NamedTemporaryFile(delete=False) as stream:
            self._words = Path(stream.name)
        self.process: BaseProcess = _SERVER.Process(target=_enter, args=(self._words, threads, work, args), daemon=True)
        self.process.start()

    def kill(self) -> None:
        """SIGKILL, if it still lives."""
        self.process.kill()
        self.process.join(_PATIENCE)

    def end(self) -> tuple[int, str]:
        """Waits; exit status (negative: the signal it died of) and what it said."""
        self.process.join(_PATIENCE)
        if self.process.exitcode is None:
            self.kill()
            raise AssertionError(f"a child hung: {self.words()}")
        words = self.words()
        self._words.unlink()
        return self.process.exitcode, words

    def words(self) -> str:
        """What it said up to now, on stdout and stderr."""
        return self._words.read_text(encoding="utf-8", errors="replace")


def _enter(words: Path, threads: int, work: Callable[..., int], args: tuple[object, ...]) -> None:
    descriptor = os.open(words, os.O_WRONLY | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", buffering=1) for number in (1, 2))  # noqa: SIM115
    torch.set_num_threads(threads)
    status = 99
    try:
        status = work(*args)
    except Exception:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    sys.exit(status)
