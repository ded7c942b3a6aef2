"""Ranges of numeric settings."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_type_hints


@dataclass(frozen=True, slots=True)
class Range:
    """Annotation of a setting: its lowest and highest value.

    Upper bounds keep a mistyped or malicious recipe from exhausting the memory.
    """

    low: float
    high: float = float("inf")


def range_faults(table: str, settings: Any) -> Iterator[str]:
    """A line for each setting of a table that lies outside its range; a word instead of a number has none."""
    for name, hint in get_type_hints(type(settings), include_extras=True).items():
        value = getattr(settings, name)
        for limit in getattr(hint, "__metadata__", ()):
            if not isinstance(value, str) and not limit.low <= value <= limit.high:
                upper = "" if limit.high == float("inf") else f" and at most {limit.high:g}"
                yield f"{table}.{name} = {value} must be at least {limit.low:g}{upper}"
