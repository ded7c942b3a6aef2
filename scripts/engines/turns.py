"""What the processes that are compared have in common: they translate in turns, and say how long it took.

One line of JSON asks, ``{"batch": 64, "beam": 5}``, and one answers, see :func:`answer_turns`. Only Python's own
library is imported, since each process has an environment of its own.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

Sentence = TypeVar("Sentence")

TOKENS = 12
"""Of every output."""


def answer_turns(sentences: Sequence[Sentence], translate: Callable[[Sequence[Sentence], int], None]) -> None:
    """Answers the turns that stdin asks for, until it ends.

    Args:
        sentences: all that are translated in a turn.
        translate: a batch of them with a beam of some width.
    """
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        turn = json.loads(line)
        # A sentence alone takes long, so fewer of them have to do.
        count = len(sentences) if turn["batch"] > 1 else min(len(sentences), 60)
        translate(sentences[: turn["batch"]], turn["beam"])
        cpu, waits = time.process_time(), []
        for start in range(0, count, turn["batch"]):
            began = time.perf_counter()
            translate(sentences[start : start + turn["batch"]], turn["beam"])
            waits.append(time.perf_counter() - began)
        print(json.dumps({"cpu": (time.process_time() - cpu) / count, "waits": waits, "count": count}), flush=True)
