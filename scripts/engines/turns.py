"""What the processes that are compared have in common: they translate in turns, and say how long it took.

The first line of stdin is a :class:`Job`. Then one line of JSON asks, ``{"batch": 64, "beam": 5}``, and one answers,
see :func:`answer_turns`. Only Python's own library is imported, since each process has an environment of its own.
"""

import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Sentence = TypeVar("Sentence")

TOKENS = 12
"""Of every output."""


@dataclass(frozen=True)
class Job:
    """What there is to translate, and how big our model is."""

    threads: int
    sentences: "list[str]"
    lengths: "list[int]"
    """Pieces of each sentence."""
    vocabulary: str
    """Path of our SentencePiece model."""
    pieces: int
    embedding: int
    hidden: int
    layers: int
    """Of the encoder, and of the decoder."""
    bidirectional: bool
    attention: bool

    def draw(self, special: int) -> "list[list[int]]":
        """Random ids, as many as each sentence has pieces, for those who need not read text.

        Args:
            special: the first ids, which do not occur.
        """
        generator = random.Random(1)
        return [[generator.randrange(special, self.pieces) for _ in range(length)] for length in self.lengths]


def read_job() -> Job:
    """The job, from stdin."""
    return Job(**json.loads(sys.stdin.readline()))


def answer_turns(
    sentences: Sequence[Sentence], translate: "Callable[[Sequence[Sentence], int], Sequence[int]]"
) -> None:
    """Answers the turns that stdin asks for, until it ends.

    Args:
        sentences: all that are translated in a turn.
        translate: a batch of them with a beam of some width; returns the length of each output.

    Raises:
        ValueError: an output has another length than it ought to have.
    """

    def check(lengths: Sequence[int]) -> None:
        if set(lengths) != {TOKENS}:
            raise ValueError(f"outputs of {sorted(set(lengths))} tokens, not of {TOKENS}")

    # What cannot work shall fail before it is ready.
    check(translate(sentences[:1], 1))
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        turn = json.loads(line)
        # A sentence alone takes long, so fewer of them have to do.
        count = len(sentences) if turn["batch"] > 1 else min(len(sentences), 60)
        check(translate(sentences[: turn["batch"]], turn["beam"]))
        cpu, waits = time.process_time(), []
        for start in range(0, count, turn["batch"]):
            began = time.perf_counter()
            translate(sentences[start : start + turn["batch"]], turn["beam"])
            waits.append(time.perf_counter() - began)
        print(json.dumps({"cpu": (time.process_time() - cpu) / count, "waits": waits, "count": count}), flush=True)
