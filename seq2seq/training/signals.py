"""SIGINT, SIGTERM and SIGUSR1, noted when they come and acted upon between two updates."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupted(Exception):
    """A signal asked training to stop, and everything is saved."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; the same command goes on from here")
        # A cluster that is about to take the machine away sends SIGUSR1; a job that then ends well is queued again.
        self.exit_code = 0 if number == signal.SIGUSR1 else 128 + number


class StopSignals:
    """Context in which SIGINT, SIGTERM and SIGUSR1 are only noted; a second Ctrl-C acts as always.

    A second SIGTERM does not: a cluster may send it to every process, and torchrun passes its own on.
    """

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        # Python lets only the main thread set handlers; in others signals stay the program's own affair.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, _: FrameType | None) -> None:
        self.received = self.received or number
        if number == signal.SIGINT:
            signal.signal(number, self._before[number])

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """Context in which there is nothing to save: SIGTERM and SIGUSR1 end it, with the same exit status as in training.

    Raises:
        Interrupted: when one comes.
    """

    def stop(number: int, _: FrameType | None) -> None:
        raise Interrupted(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
