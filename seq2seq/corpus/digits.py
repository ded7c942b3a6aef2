"""A corpus that needs no download: strings of digits to be reversed or copied.

The two jobs separate a model that has learned to carry a sequence through its state from one that has
not, and a minute is enough to learn them.
"""

import random
from collections.abc import Iterator

from seq2seq.corpus.pairs import Pair

_SHORTEST, _LONGEST = 1, 10


def digit_pairs(job: str, count: int, *, shortest: int = _SHORTEST, longest: int = _LONGEST) -> Iterator[Pair]:
    """``count`` pairs, the same each time: ``reverse`` gives 4917 → 7194, ``copy`` 4917 → 4917."""
    generator = random.Random(f"{job} {shortest} {longest}")
    for _ in range(count):
        digits = "".join(generator.choices("0123456789", k=generator.randint(shortest, longest)))
        yield Pair(digits, digits[::-1] if job == "reverse" else digits)
