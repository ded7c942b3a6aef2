"""SIGINT, SIGTERM and SIGUSR1: recorded when received, handled between two updates."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(Exception):
    """A signal stopped training, and everything is saved."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}; the same command goes on from here")
        # A cluster sends SIGUSR1 before it takes the machine away, and requeues a job that then exits with 0.
        self.exit_code = 0 if number == signal.SIGUSR1 else 128 + number


@contextmanager
def recording_signals() -> Iterator[Callable[[], int]]:
    """Context in which SIGINT, SIGTERM and SIGUSR1 are only recorded; gives the first one received, 0: none.

    A second Ctrl-C interrupts as usual. A second SIGTERM is ignored: a cluster may send it to every process, and
    torchrun forwards its own.
    """
    received = 0
    on_ctrl_c = signal.getsignal(signal.SIGINT)

    def record(number: int, _: FrameType | None) -> None:
        nonlocal received
        received = received or number
        if number == signal.SIGINT:
            signal.signal(number, on_ctrl_c)

    with _handled(record, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        yield lambda: received


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """Context in which SIGTERM and SIGUSR1 end the work at once, with the exit status of an interrupted training.

    Raises:
        Interrupted: a signal came.
    """

    def stop(number: int, _: FrameType | None) -> None:
        raise Interrupted(number)

    with _handled(stop, signal.SIGTERM, signal.SIGUSR1):
        yield


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None], *numbers: int) -> Iterator[None]:
    # Python lets only the main thread set handlers; elsewhere signals are left to the program.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
