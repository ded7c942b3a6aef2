"""Curves as text, in braille characters of 2 × 4 dots each."""

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean

# Bit of each dot of a character, by row and column (Unicode, "Braille Patterns").
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_LABEL_WIDTH = 8


def plot(
    title: str,
    points: Sequence[tuple[float, float]],
    *,
    last: float,
    width: int,
    height: int,
    logarithmic: bool = False,
) -> list[str]:
    """Lines of text: the title, then the curve; no lines if there is no finite point.

    Args:
        title: of the curve.
        points: x from 0 on, and y; points that are not finite are left out.
        last: x at the right edge.
        width: most characters of a line.
        height: lines of the curve.
        logarithmic: a logarithmic y axis; points with y ≤ 0 are left out.
    """
    points = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y) and (y > 0 or not logarithmic)]
    if not points:
        return []
    columns = _columns(width)
    scale = math.log if logarithmic else float
    dots = _dots([(x, scale(y)) for x, y in points], last, 2 * columns, 4 * height)
    values = [y for _, y in points]
    labels = {0: max(values), height - 1: min(values)}
    lines = _connect(dots, columns, height)
    return [
        f"{'':{_LABEL_WIDTH}}  {title}"[:width],
        *(
            f"{_number(labels[row]) if row in labels else '':>{_LABEL_WIDTH}} ┤{line}".rstrip()
            for row, line in enumerate(lines)
        ),
    ]


def axis(label: str, width: int) -> str:
    """The x axis under plots of that width: 0 at the left, a label at the right."""
    return f"{'':{_LABEL_WIDTH}}  0{label:>{_columns(width) - 1}}"


def _columns(width: int) -> int:
    return max(20, width - _LABEL_WIDTH - 2)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _dots(points: Sequence[tuple[float, float]], last: float, columns: int, rows: int) -> list[tuple[int, int]]:
    """Column and row of a dot for each column that has points, at the mean of their y."""
    low, high = min(y for _, y in points), max(y for _, y in points)
    groups: defaultdict[int, list[float]] = defaultdict(list)
    for x, y in points:
        groups[_bin(x, 0.0, last, columns)].append(y)
    return [(column, rows - 1 - _bin(fmean(ys), low, high, rows)) for column, ys in sorted(groups.items())]


def _bin(value: float, low: float, high: float, count: int) -> int:
    return round((value - low) / (high - low) * (count - 1)) if high > low else 0


def _connect(dots: Sequence[tuple[int, int]], columns: int, height: int) -> list[str]:
    """Lines of characters with straight strokes from dot to dot."""
    canvas = [[0] * columns for _ in range(height)]
    for (column, row), (next_column, next_row) in pairwise([dots[0], *dots]):
        steps = max(abs(next_column - column), abs(next_row - row), 1)
        for step in range(steps + 1):
            x = column + round((next_column - column) * step / steps)
            y = row + round((next_row - row) * step / steps)
            canvas[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
    return ["".join(chr(0x2800 + bits) if bits else " " for bits in line) for line in canvas]
