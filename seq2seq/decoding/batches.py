"""Batches by number of tokens, halved where memory runs out."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from seq2seq.errors import Seq2SeqError, is_out_of_memory, warn_once

Item = TypeVar("Item")
Result = TypeVar("Result")


def within_budget(items: Sequence[Item], lengths: Sequence[int], budget: int) -> Iterator[Sequence[Item]]:
    """Consecutive items whose count times their longest length stays within the budget, one item at least."""
    start = 0
    for end in range(1, len(items) + 1):
        if end == len(items) or (end + 1 - start) * max(lengths[start], lengths[end]) > budget:
            yield items[start:end]
            start = end


def within_memory(
    batches: Iterable[Sequence[int]], work: Callable[[Sequence[int]], Sequence[Result]], *, lower: str
) -> dict[int, Result]:
    """The result of each row of each batch.

    Where memory runs out, the batch is halved, and so are those that follow, which are about as big.

    Args:
        batches: row numbers.
        work: computes a result for each row of a batch, or of a part of it.
        lower: what a user may do if memory runs out with a single row.

    Raises:
        Seq2SeqError: memory runs out with a single row.
    """
    results: dict[int, Result] = {}
    waiting = deque(batches)
    while waiting:
        rows = waiting.popleft()
        try:
            results |= zip(rows, work(rows), strict=True)
            continue
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # Outside of the except block, since the error's traceback keeps the tensors of the attempt alive.
        if len(rows) == 1:
            raise Seq2SeqError(f"out of memory with a single sentence: {lower}, or free memory for it")
        warn_once("out of memory in decoding: it goes on with smaller batches (decoding.batch_tokens)")
        waiting = deque(half for batch in (rows, *waiting) for half in _halves(batch))
    return results


def _halves(rows: Sequence[int]) -> list[Sequence[int]]:
    middle = (len(rows) + 1) // 2
    return [half for half in (rows[:middle], rows[middle:]) if half]
