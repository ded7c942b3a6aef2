"""Saving in the background, while training goes on."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self


class BackgroundWriter:
    """Context with a thread that does one write after another.

    What it writes must be copies that training does not change.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="saving")
        self._writing: Future[None] | None = None

    def start(self, write: Callable[[], None]) -> None:
        """Starts a write once the previous one is done; raises the error of the previous one."""
        self.wait()
        self._writing = self._thread.submit(write)

    def check(self) -> None:
        """Raises the error of a finished write, without waiting."""
        if self._writing and self._writing.done():
            self.wait()

    def wait(self) -> None:
        """Waits for the current write and raises its error."""
        writing, self._writing = self._writing, None
        if writing:
            writing.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()
        if kind is None:
            self.wait()
