"""Work that a thread does ahead of whoever needs its results."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T], most: int) -> Iterator[T]:
    """The items, made by a thread while earlier ones are in use.

    An error in making an item is raised where the item would have come. The thread ends with the items, or when the
    caller closes or drops this iterator.

    Args:
        items: nobody else may use it from now on.
        most: items made ahead.
    """
    thread = ThreadPoolExecutor(1, "ahead")
    try:
        # Single items are asked for, so the thread never waits for the caller and cannot be left behind.
        waiting: deque[Future[list[T]]] = deque(thread.submit(_next, items) for _ in range(most))
        while item := waiting.popleft().result():
            waiting.append(thread.submit(_next, items))
            yield item[0]
    finally:
        thread.shutdown(cancel_futures=True)


def _next(items: Iterator[T]) -> list[T]:
    """The next item, or nothing."""
    return [item for item, _ in zip(items, range(1), strict=False)]
