"""SIGINT, SIGTERM and SIGUSR1: recorded when received, handled between two updates."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self


class Interrupted(Exception):
    """A signal stopped training, and everything is saved."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; the same command goes on from here")
        # A cluster sends SIGUSR1 before it takes the machine away, and requeues a job that then exits with 0.
        self.exit_code = 0 if number == signal.SIGUSR1 else 128 + number


class StopSignals:
    """Context in which SIGINT, SIGTERM and SIGUSR1 are only recorded; a second Ctrl-C interrupts as usual.

    A second SIGTERM is ignored: a cluster may send it to every process, and torchrun forwards its own.
    """

    def __init__(self) -> None:
        self.received = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        # Python lets only the main thread set handlers; elsewhere signals are left to the program.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
                self._before[number] = signal.signal(number, self._record)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _record(self, number: int, _: FrameType | None) -> None:
        self.received = self.received or number
        if number == signal.SIGINT:
            signal.signal(number, self._before[number])


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """Context in which SIGTERM and SIGUSR1 end the work at once, with the exit status of an interrupted training.

    Raises:
        Interrupted: a signal came.
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
