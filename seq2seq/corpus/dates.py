"""A corpus that needs no download: dates as people write them, to be written as ISO 8601 has them.

Where countries differ, the separator decides: 3/4/2021 is March 4, and 3.4.2021 is April 3.
"""

import random
from collections.abc import Iterator
from datetime import date, timedelta

from seq2seq.corpus.pairs import Pair

# A century in which two digits of a year name one year only.
_FIRST, _DAYS = date(1950, 1, 1), 36525

_WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_MONTHS = """
January janvier Januar enero
February février Februar febrero
March mars März marzo
April avril April abril
May mai Mai mayo
June juin Juni junio
July juillet Juli julio
August août August agosto
September septembre September septiembre
October octobre Oktober octubre
November novembre November noviembre
December décembre Dezember diciembre
"""
_ENGLISH, _FRENCH, _GERMAN, _SPANISH = zip(*map(str.split, _MONTHS.strip().splitlines()), strict=True)

FORMATS = (
    "{month} {d}, {y}",
    "{month} {d} {y}",
    "{month} {th}, {y}",
    "{month} {y}, the {th}",
    "{mon} {d}, {y}",
    "{mon}. {d}, {y}",
    "{month} {d} '{yy}",
    "{MONTH} {d}, {y}",
    "{MON} {dd} {y}",
    "{d} {month} {y}",
    "{dd} {mon} {y}",
    "{d} {mon} '{yy}",
    "{th} {month} {y}",
    "{th} of {month} {y}",
    "the {th} of {month}, {y}",
    "{weekday}, {month} {d}, {y}",
    "{weekday}, {d} {month} {y}",
    "{weekday} {th} {month} {y}",
    "{weekday} the {th} of {month} {y}",
    "{wday}, {dd} {mon} {y}",
    "{wday} {mon} {d} {y}",
    "{dd}-{mon}-{y}",
    "{d}-{mon}-{yy}",
    "{dd}{MON}{y}",
    "{y} {month} {d}",
    "{y}-{mon}-{dd}",
    "{m}/{d}/{y}",
    "{m}/{d}/{yy}",
    "{mm}/{dd}/{y}",
    "{mm}/{dd}/{yy}",
    "{d}.{m}.{y}",
    "{d}.{m}.{yy}",
    "{dd}.{mm}.{y}",
    "{y}/{mm}/{dd}",
    "{y}-{mm}-{dd}",
    "{y}{mm}{dd}",
    "{y}年{m}月{d}日",
    "{d} {french} {y}",
    "{d}. {german} {y}",
    "{d} de {spanish} de {y}",
)
"""Ways to write a date: 40."""


def date_pairs(count: int) -> Iterator[Pair]:
    """``count`` pairs, the same each time: ``3rd of March 2021`` → ``2021-03-03``."""
    generator = random.Random("dates")
    for _ in range(count):
        day = _FIRST + timedelta(days=generator.randrange(_DAYS))
        yield Pair(written(day, generator.choice(FORMATS)), day.isoformat())


def written(day: date, pattern: str) -> str:
    """A day in one of :data:`FORMATS`."""
    weekday, month = _WEEKDAYS[day.weekday()], _ENGLISH[day.month - 1]
    return pattern.format(
        d=day.day,
        dd=f"{day.day:02}",
        th=f"{day.day}{_ordinal_ending(day.day)}",
        weekday=weekday,
        wday=weekday[:3],
        m=day.month,
        mm=f"{day.month:02}",
        month=month,
        mon=month[:3],
        MONTH=month.upper(),
        MON=month[:3].upper(),
        french=_FRENCH[day.month - 1],
        german=_GERMAN[day.month - 1],
        spanish=_SPANISH[day.month - 1],
        y=day.year,
        yy=f"{day.year % 100:02}",
    )


def _ordinal_ending(day: int) -> str:
    return "th" if day in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
