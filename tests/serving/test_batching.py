"""The worker, with tasks that only record what they are given."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from seq2seq.serving import batching
from seq2seq.serving.batching import Worker
from seq2seq.serving.metrics import Metrics
from seq2seq.serving.refusal import Refusal


@dataclass(frozen=True)
class Shout:
    """Upper case; ``?`` is an error. Batches are recorded; the first waits for ``gate``."""

    most: int = 100
    name: str = ""
    batches: list[list[str]] = field(default_factory=list, compare=False)
    gate: threading.Event = field(default_factory=threading.Event, compare=False)

    def room(self, models: object) -> int:
        return self.most

    def size(self, models: Mapping[str, Any], item: str) -> int:
        return len(item)

    def answer(self, models: Mapping[str, Any], items: Sequence[str]) -> list[str]:
        self.batches.append(list(items))
        self.gate.wait(10)
        if "?" in items:
            raise ValueError("?")
        return [models["prefix"] + item.upper() for item in items]


@asynccontextmanager
async def working(most: int = 1000) -> AsyncIterator[Worker]:
    worker = Worker({"prefix": ""}, most=most, metrics=Metrics())
    worker.start()
    try:
        yield worker
    finally:
        await asyncio.to_thread(worker.stop)


async def busy(worker: Worker, task: Shout) -> "asyncio.Task[list[str]]":
    """Keeps the worker at work until the task's gate opens."""
    first = asyncio.create_task(worker.answers(task, ["first"]))
    while not task.batches:
        await asyncio.sleep(0.001)
    return first


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def test_each_request_gets_its_own_answers_from_common_batches() -> None:
    async def scenario() -> None:
        task = Shout()
        async with working() as worker:
            first = await busy(worker, task)
            requests = [asyncio.create_task(worker.answers(task, [f"a{n}", f"b{n}"])) for n in range(20)]
            await asyncio.sleep(0)
            task.gate.set()
            assert await first == ["FIRST"]
            assert await asyncio.gather(*requests) == [[f"A{n}", f"B{n}"] for n in range(20)]
        assert len(task.batches) < 10

    run(scenario())


def test_a_batch_keeps_to_its_room_counting_padding() -> None:
    async def scenario() -> None:
        task = Shout(most=12)
        async with working() as worker:
            first = await busy(worker, task)
            items = ["aaaa"] * 5 + ["a" * 20, "b", "b"]
            request = asyncio.create_task(worker.answers(task, items))
            await asyncio.sleep(0)
            task.gate.set()
            await first
            assert await request == [item.upper() for item in items]
        assert [len(batch) for batch in task.batches] == [1, 3, 2, 1, 2]
        assert all(max(map(len, batch)) * len(batch) <= 12 or len(batch) == 1 for batch in task.batches)

    run(scenario())


def test_a_short_request_passes_the_rest_of_a_long_one() -> None:
    async def scenario() -> None:
        task = Shout(most=4)
        async with working() as worker:
            first = await busy(worker, task)
            long = asyncio.create_task(worker.answers(task, [f"{n:02}" for n in range(50)]))
            await asyncio.sleep(0.01)
            short = asyncio.create_task(worker.answers(task, ["zz"]))
            await asyncio.sleep(0)
            task.gate.set()
            await asyncio.gather(first, long, short)
        order = [item for batch in task.batches for item in batch]
        assert 2 <= order.index("zz") <= 10

    run(scenario())


def test_different_tasks_do_not_share_a_batch() -> None:
    async def scenario() -> None:
        task, other = Shout(name="one"), Shout(name="other")
        async with working() as worker:
            first = await busy(worker, task)
            requests = [asyncio.create_task(worker.answers(one, ["x"])) for one in (task, other, task, other)]
            await asyncio.sleep(0)
            task.gate.set()
            other.gate.set()
            await asyncio.gather(first, *requests)
        assert (task.batches, other.batches) == ([["first"], ["x", "x"]], [["x", "x"]])

    run(scenario())


def test_an_item_that_fails_fails_alone() -> None:
    async def scenario() -> None:
        task = Shout()
        async with working() as worker:
            first = await busy(worker, task)
            good = asyncio.create_task(worker.answers(task, ["a", "b"]))
            bad = asyncio.create_task(worker.answers(task, ["?"]))
            await asyncio.sleep(0)
            task.gate.set()
            await first
            assert await good == ["A", "B"]
            with pytest.raises(ValueError, match=r"\?"):
                await bad

    run(scenario())


def test_a_full_queue_refuses_and_what_was_in_it_is_answered() -> None:
    async def scenario() -> None:
        task = Shout()
        async with working(most=3) as worker:
            first = await busy(worker, task)
            waiting = asyncio.create_task(worker.answers(task, ["a", "b"]))
            await asyncio.sleep(0)
            with pytest.raises(Refusal) as caught:
                await worker.answers(task, ["c", "d"])
            assert (caught.value.status, dict(caught.value.headers or {})) == (503, {"Retry-After": "1"})
            task.gate.set()
            await first
            assert await waiting == ["A", "B"]
            assert await worker.answers(task, ["c", "d", "e"]) == ["C", "D", "E"]

    run(scenario())


def test_what_is_cancelled_is_never_worked_on_and_leaves_the_queue() -> None:
    async def scenario() -> None:
        task = Shout()
        async with working(most=3) as worker:
            first = await busy(worker, task)
            dropped = asyncio.create_task(worker.answers(task, ["x", "y", "z"]))
            await asyncio.sleep(0)
            dropped.cancel()
            task.gate.set()
            await first
            await asyncio.sleep(0.05)
            assert await worker.answers(task, ["a", "b", "c"]) == ["A", "B", "C"]
        assert [item for batch in task.batches for item in batch] == ["first", "a", "b", "c"]

    run(scenario())


def test_other_models_answer_what_waits() -> None:
    async def scenario() -> None:
        task = Shout()
        async with working() as worker:
            first = await busy(worker, task)
            waiting = asyncio.create_task(worker.answers(task, ["a"]))
            await asyncio.sleep(0)
            worker.models = {"prefix": "new "}
            task.gate.set()
            assert (await first, await waiting) == (["FIRST"], ["new A"])

    run(scenario())


def test_nothing_is_answered_by_nothing() -> None:
    async def scenario() -> None:
        task = Shout()
        task.gate.set()
        async with working() as worker:
            assert await worker.answers(task, []) == []
            assert await worker.answers(task, ["a"]) == ["A"]

    run(scenario())


def test_only_who_had_company_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(seconds)

    monkeypatch.setattr(batching, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))

    async def scenario() -> None:
        task = Shout()
        async with working() as worker:
            first = await busy(worker, task)
            task.gate.set()
            await first
            for _ in range(3):
                await worker.answers(task, ["alone"])
            assert not pauses
            await worker.answers(task, ["with", "another"])
            await worker.answers(task, ["alone"])  # the other may be about to come
            assert pauses

    run(scenario())
