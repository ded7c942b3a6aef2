"""Curves as text, of braille characters: each shows 2 × 4 dots."""

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

# Bits of the dots of a character, by row and column (Unicode, "Braille Patterns").
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_LABEL = 8


def plot(
    title: str,
    points: Sequence[tuple[float, float]],
    *,
    last: float,
    width: int,
    height: int,
    logarithmic: bool = False,
) -> list[str]:
    """Lines of text that show a curve under its title; none where there is nothing to show.

    Args:
        title: goes first.
        points: x and y of each, x from 0 on; those that are not finite are left out.
        last: x at the right edge.
        width: most characters of a line.
        height: lines of the curve itself.
        logarithmic: for values above 0, that differ by factors.
    """
    points = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y) and (y > 0 or not logarithmic)]
    if not points:
        return []
    columns = _columns(width)
    level = math.log if logarithmic else float
    cells = _cells([(x, level(y)) for x, y in points], last, 2 * columns, 4 * height)
    values = [y for _, y in points]
    labels = {0: max(values), height - 1: min(values)}
    picture = _draw(cells, columns, height)
    return [
        f"{'':{_LABEL}}  {title}"[:width],
        *(
            f"{_number(labels[row]) if row in labels else '':>{_LABEL}} ┤{line}".rstrip()
            for row, line in enumerate(picture)
        ),
    ]


def axis(label: str, width: int) -> str:
    """The line under plots of that width: 0 at the left and a label at the right."""
    return f"{'':{_LABEL}}  0{label:>{_columns(width) - 1}}"


def _columns(width: int) -> int:
    return max(20, width - _LABEL - 2)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _cells(points: Sequence[tuple[float, float]], last: float, columns: int, rows: int) -> list[tuple[int, int]]:
    """Column and row of each dot that the curve goes through: the mean of the points in a column."""
    low, high = min(y for _, y in points), max(y for _, y in points)
    groups: defaultdict[int, list[float]] = defaultdict(list)
    for x, y in points:
        groups[_place(x, 0.0, last, columns)].append(y)
    return [(column, rows - 1 - _place(fmean(ys), low, high, rows)) for column, ys in sorted(groups.items())]


def _place(value: float, low: float, high: float, count: int) -> int:
    return round((value - low) / (high - low) * (count - 1)) if high > low else 0


def _draw(cells: Sequence[tuple[int, int]], columns: int, height: int) -> list[str]:
    """Characters of the curve through some dots."""
    canvas = [[0] * columns for _ in range(height)]
    for (column, row), (next_column, next_row) in pairwise([cells[0], *cells]):
        steps = max(abs(next_column - column), abs(next_row - row), 1)
        for step in range(steps + 1):
            x = column + round((next_column - column) * step / steps)
            y = row + round((next_row - row) * step / steps)
            canvas[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
    return ["".join(chr(0x2800 + dots) if dots else " " for dots in line) for line in canvas]
