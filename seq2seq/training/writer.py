"""Saving while training goes on."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self


class BackgroundWriter:
    """Context with one thread that writes, one thing at a time.

    What it is given to write must be copies that training does not touch.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="saving")
        self._writing: Future[None] | None = None

    def start(self, write: Callable[[], None]) -> None:
        """Begins to write, after what is being written; raises what went wrong there."""
        self.wait()
        self._writing = self._thread.submit(write)

    def check(self) -> None:
        """Raises what went wrong since the last call, without waiting."""
        if self._writing and self._writing.done():
            self.wait()

    def wait(self) -> None:
        """Returns when everything is written, or raises what went wrong."""
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
