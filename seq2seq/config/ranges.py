"""Ranges of numeric settings."""

from collections.abc import Iterator, Mapping

Ranges = Mapping[str, tuple[float, float]]
"""Lowest and highest value of each setting of a table."""


def range_faults(table: str, settings: object, ranges: Ranges) -> Iterator[str]:
    """A line for each setting that lies outside its range."""
    for name, (low, high) in ranges.items():
        value = getattr(settings, name)
        if not low <= value <= high:
            upper = "" if high == float("inf") else f" and at most {high:g}"
            yield f"{table}.{name} = {value} must be at least {low:g}{upper}"
