"""Work that a thread does ahead of whoever needs its results."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
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

    def one_more() -> list[T]:
        return list(islice(items, 1))  # empty at the end

    thread = ThreadPoolExecutor(1, "ahead")
    try:
        # Items are asked for one by one, so the thread never waits for the caller and cannot be left behind.
        waiting: deque[Future[list[T]]] = deque(thread.submit(one_more) for _ in range(most))
        while made := waiting.popleft().result():
            waiting.append(thread.submit(one_more))
            yield made[0]
    finally:
        thread.shutdown(cancel_futures=True)
