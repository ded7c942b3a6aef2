"""One thread that owns the models and answers the sentences of all requests together.

It knows neither HTTP nor what an answer is: a :class:`Task` does the work, and items of equal tasks go together.
"""

import asyncio
import heapq
import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from seq2seq.serving.metrics import SECONDS, SIZES, Metrics
from seq2seq.serving.refusal import Refusal

# Before a batch the worker waits while items keep coming, so many seconds for the next and at most so many in all,
# until there are as many as in the batch before: clients that were answered together ask again together, and a single
# client does not wait. With enough items a batch gains little by more.
_NEXT, _GATHER, _ENOUGH = 0.002, 0.02, 64
# The n-th item of a request waits as if it had come n times this many seconds later. So a short request passes the
# rest of a long one, and none waits for ever.
_STAGGER = 0.005


class Task(Protocol):
    """Work on items; hashable, since items of equal tasks are worked on together."""

    def size(self, models: Mapping[str, Any], item: Any) -> int:
        """Tokens of an item."""

    def room(self, models: Mapping[str, Any]) -> int:
        """Tokens of a batch, each item counted as long as the longest."""

    def answer(self, models: Mapping[str, Any], items: Sequence[Any]) -> Sequence[Any]:
        """An answer for each item, whatever items come with it."""


@dataclass(order=True, slots=True)
class _Waiting:
    """An item that waits, and what awaits its answer."""

    due: float
    number: int
    arrived: float = field(compare=False)
    item: Any = field(compare=False)
    answer: "asyncio.Future[Any]" = field(compare=False)


class Worker:
    """Answers items in batches, those that are due first.

    Args:
        models: by name; assign others to ``models`` and the next batch uses them.
        most: items that may wait; those beyond are refused.
        metrics: where it counts.
    """

    def __init__(self, models: Mapping[str, Any], *, most: int, metrics: Metrics) -> None:
        self.models = models
        self._most, self._metrics = most, metrics
        self._queues: dict[Task, list[_Waiting]] = {}
        self._count, self._numbers = 0, itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        self._expected = 1  # items of the batch before
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)
        metrics.gauge("seq2seq_queue_items", "Sentences and pictures that wait.", lambda: self._count)
        metrics.histogram("seq2seq_batch_items", "Sentences and pictures of a batch.", SIZES)
        metrics.histogram("seq2seq_batch_seconds", "Time a batch takes.", SECONDS)
        metrics.histogram("seq2seq_wait_seconds", "Time an item waits before its batch begins.", SECONDS)
        metrics.counter("seq2seq_source_tokens_total", "Tokens of sources.")

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the batch it works on."""
        with self._changed:
            self._stopped = True
            self._changed.notify()
        self._thread.join()

    @property
    def is_alive(self) -> bool:
        """Whether items are being answered."""
        return self._thread.is_alive()

    async def answers(self, task: Task, items: Sequence[Any]) -> list[Any]:
        """An answer for each item; if the caller is cancelled, so is what still waits.

        Raises:
            Refusal: 503; too many items wait.
            Exception: whatever the task raised for one of the items.
        """
        if not items:
            return []
        loop, now = asyncio.get_running_loop(), time.monotonic()
        waiting = [
            _Waiting(now + place * _STAGGER, next(self._numbers), now, item, loop.create_future())
            for place, item in enumerate(items)
        ]
        with self._changed:
            if self._count + len(items) > self._most:
                raise Refusal(503, "the server is busy: try again later", {"Retry-After": "1"})
            queue = self._queues.setdefault(task, [])
            for one in waiting:
                heapq.heappush(queue, one)
            self._count += len(items)
            self._changed.notify()
        return await asyncio.gather(*(one.answer for one in waiting))

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._count or self._stopped)
            self._gather()
            with self._changed:
                if self._stopped:
                    return
                task = min(self._queues, key=lambda task: self._queues[task][0])
            if batch := self._take(task):
                self._expected = len(batch)
                self._answer(task, batch)

    def _gather(self) -> None:
        """Waits for more to come, up to as many as came together before."""
        before, until = 0, time.monotonic() + _GATHER
        while before < self._count < min(self._expected, _ENOUGH) and time.monotonic() < until:
            before = self._count
            time.sleep(_NEXT)

    def _take(self, task: Task) -> list[_Waiting]:
        """Items of a task within its room, without those that nobody awaits any more."""
        models, batch, longest = self.models, list[_Waiting](), 0
        with self._changed:
            queue = self._queues[task]
            while queue:
                if not queue[0].answer.cancelled():
                    size = task.size(models, queue[0].item)
                    longest = max(longest, size)
                    if batch and longest * (len(batch) + 1) > task.room(models):
                        break
                    batch.append(queue[0])
                    self._metrics.add("seq2seq_source_tokens_total", size)
                heapq.heappop(queue)
                self._count -= 1
            if not queue:
                del self._queues[task]
        return batch

    def _answer(self, task: Task, batch: Sequence[_Waiting]) -> None:
        models, started = self.models, time.monotonic()
        items = [one.item for one in batch]
        results = _attempt(task, models, items)
        if len(batch) > 1 and isinstance(results[0], Exception):
            # One of them may be to blame: each on its own, so that it fails alone.
            results = [_attempt(task, models, [item])[0] for item in items]
        self._metrics.observe("seq2seq_batch_items", len(batch))
        self._metrics.observe("seq2seq_batch_seconds", time.monotonic() - started)
        for one in batch:
            self._metrics.observe("seq2seq_wait_seconds", started - one.arrived)
        batch[0].answer.get_loop().call_soon_threadsafe(_deliver, batch, results)


def _attempt(task: Task, models: Mapping[str, Any], items: Sequence[Any]) -> Sequence[Any]:
    try:
        return task.answer(models, items)
    except Exception as error:
        return [error] * len(items)


def _deliver(batch: Sequence[_Waiting], results: Sequence[Any]) -> None:
    for one, result in zip(batch, results, strict=True):
        if one.answer.done():  # cancelled
            continue
        if isinstance(result, Exception):
            one.answer.set_exception(result)
        else:
            one.answer.set_result(result)
