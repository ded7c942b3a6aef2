"""A corpus that needs no download: whole numbers below 10⁹ in digits and in English words."""

import random
from collections.abc import Iterator

from seq2seq.corpus.pairs import Pair

_NAMES = """
zero one two three four five six seven eight nine
ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
twenty thirty forty fifty sixty seventy eighty ninety
"""
_SMALL, _TENS = _NAMES.split()[:20], _NAMES.split()[20:]
_THOUSANDS = ("", " thousand", " million")

# Share of the groups of three digits that are 000, so that round numbers occur.
_ROUND = 0.2
# Other groups are below each of these equally often: what has a zero in front, as in 4,017, is hard, and else rare.
_BELOW = (10, 100, 1000)


def number_pairs(job: str, count: int) -> Iterator[Pair]:
    """``count`` pairs, the same each time.

    Args:
        job: ``to-words`` gives 4017 → four thousand seventeen, ``to-digits`` the reverse, ``both`` either at random.
        count: of the pairs.
    """
    generator = random.Random(job)
    for _ in range(count):
        groups = generator.randint(1, len(_THOUSANDS))
        number = 0
        for _ in range(groups):
            group = 0 if generator.random() < _ROUND else generator.randrange(generator.choice(_BELOW))
            number = 1000 * number + group
        sides = str(number), in_words(number)
        turned = generator.random() < 0.5 if job == "both" else job == "to-digits"
        yield Pair(*(sides[::-1] if turned else sides))


def in_words(number: int) -> str:
    """A number from 0 to 999,999,999 as American English has it: ``two hundred five thousand forty-one``."""
    if number == 0:
        return _SMALL[0]
    words = []
    for place in reversed(range(len(_THOUSANDS))):
        if group := number // 1000**place % 1000:
            words.append(_group_in_words(group) + _THOUSANDS[place])
    return " ".join(words)


def _group_in_words(group: int) -> str:
    """Of a number from 1 to 999."""
    hundreds, rest = divmod(group, 100)
    words = [f"{_SMALL[hundreds]} hundred"] if hundreds else []
    if 0 < rest < 20:
        words.append(_SMALL[rest])
    elif rest:
        tens, ones = divmod(rest, 10)
        words.append(_TENS[tens - 2] + (f"-{_SMALL[ones]}" if ones else ""))
    return " ".join(words)
