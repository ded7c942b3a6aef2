"""Work done ahead by a thread: the same items, no more than asked for, and no thread that is left behind."""

import threading
import time
from collections.abc import Iterator

import pytest

from seq2seq.training.ahead import ahead


def threads() -> int:
    return sum(thread.name.startswith("ahead") for thread in threading.enumerate())


@pytest.mark.parametrize("count", [0, 1, 3, 20])
def test_all_items_come_in_their_order(count: int) -> None:
    assert list(ahead(iter(range(count)), 3)) == list(range(count))
    assert list(ahead(iter([None] * count), 3)) == [None] * count
    assert threads() == 0


def test_a_thread_makes_some_ahead_and_no_more() -> None:
    made: list[str] = []

    def items() -> Iterator[int]:
        for number in range(20):
            made.append(threading.current_thread().name)
            yield number

    coming = ahead(items(), 3)
    assert made == []
    for number in range(5):
        assert next(coming) == number
        until = time.monotonic() + 10
        while len(made) < number + 4 and time.monotonic() < until:
            time.sleep(0.001)
        time.sleep(0.01)
        assert len(made) == number + 4
    assert threading.current_thread().name not in made


def test_an_error_comes_where_its_item_would_have_come() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("a damaged picture")

    coming = ahead(items(), 5)
    assert [next(coming), next(coming)] == [1, 2]
    with pytest.raises(ValueError, match="a damaged picture"):
        next(coming)
    assert threads() == 0


def test_the_thread_ends_with_whoever_takes_the_items() -> None:
    def take() -> None:
        coming = ahead(iter(range(10**9)), 3)
        assert next(coming) == 0
        assert threads() == 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take()
    assert threads() == 0
    closed = ahead(iter(range(10**9)), 3)
    next(closed)
    closed.close()
    assert threads() == 0
