"""Many clients at once: nothing is lost, mixed up or kept."""

import random
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from web_client import Client, running

from seq2seq.serving.models import Models

CLIENTS = 50


def requests(count: int) -> list[tuple[str, list[str]]]:
    """Runs and sentences; no two requests are alike."""
    chance = random.Random(1)
    sentences = [
        [f"{number} {chance.randrange(10**4)}" for _ in range(chance.randrange(1, 4))] for number in range(count)
    ]
    return [(chance.choice(["en-es", "es-en"]), one) for one in sentences]


def test_a_thousand_requests_by_fifty_clients(server: Client, models: Models) -> None:
    """Each gets the answer to what it asked, the one it would get alone."""
    asked = requests(1000)

    def ask(one: tuple[str, list[str]]) -> list[tuple[str, str]]:
        reply = server.post("/v1/translate", {"model": one[0], "sentences": one[1]})
        assert reply.status == 200, reply.body
        return [(found["source"], found["text"]) for found in reply.json["translations"]]

    with ThreadPoolExecutor(CLIENTS) as clients:
        found = list(clients.map(ask, asked))
    for name, predictor in ((name, served.predictor) for name, served in models.items()):
        sentences = [sentence for run, request in asked if run == name for sentence in request]
        expected = [(one, best.text) for one, best in zip(sentences, predictor.best(sentences), strict=True)]
        assert [pair for (run, _), reply in zip(asked, found, strict=True) if run == name for pair in reply] == expected


def test_what_is_answered_together_is_answered_as_alone(server: Client) -> None:
    """The same words, and the same numbers to the rounding of float32, which sums in another order."""
    bodies = [{"sentences": one, "nbest": 3, "tokens": True, "alignments": True} for _, one in requests(30)]
    alone = [server.post("/v1/translate", body).json for body in bodies]
    with ThreadPoolExecutor(30) as clients:
        together = list(clients.map(lambda body: server.post("/v1/translate", body).json, bodies))
    assert [list(leaves(one)) for one in together] == [
        [pytest.approx(leaf, abs=2e-4) if isinstance(leaf, float) else leaf for leaf in leaves(one)] for one in alone
    ]


def leaves(value: Any) -> Iterator[Any]:
    """All names and values of JSON, in their order."""
    match value:
        case dict():
            for name, one in value.items():
                yield name
                yield from leaves(one)
        case list():
            for one in value:
                yield from leaves(one)
        case _:
            yield value


def resident(process: int) -> int:
    """Kilobytes of memory."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process}/status").read_text())[1])


@pytest.mark.slow
def test_memory_stays_flat(runs: tuple[Path, Path]) -> None:
    with running(*runs) as server, ThreadPoolExecutor(CLIENTS) as clients:

        def ask(one: tuple[str, list[str]]) -> int:
            return server.client.post("/v1/translate", {"model": one[0], "sentences": one[1]}).status

        asked = requests(10_000)
        assert set(clients.map(ask, asked[:1000])) == {200}
        early = resident(server.process.pid)
        assert set(clients.map(ask, asked[1000:])) == {200}
        assert resident(server.process.pid) <= 1.1 * early
    assert threading.active_count() < CLIENTS
