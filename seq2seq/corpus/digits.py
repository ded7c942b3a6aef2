"""A corpus that needs no download: strings of digits to be reversed or copied.

Both tasks can be learned in a minute, and only by a model that carries a sequence through its state.
"""

import random
from collections.abc import Iterator

from seq2seq.corpus.pairs import Pair


def digit_pairs(job: str, count: int, *, shortest: int = 1, longest: int = 10) -> Iterator[Pair]:
    """``count`` pairs, the same each time: ``reverse`` gives 4917 → 7194, ``copy`` 4917 → 4917."""
    generator = random.Random(f"{job} {shortest} {longest}")
    for _ in range(count):
        digits = "".join(generator.choices("0123456789", k=generator.randint(shortest, longest)))
        yield Pair(digits, digits[::-1] if job == "reverse" else digits)
