"""Heat maps as self-contained SVG elements.

Neighbouring cells of one colour are one stroke, and all strokes of one colour one path, so a cell takes a few bytes.
"""

import html
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from torch import Tensor

from seq2seq.reports.text import printable

Row = Sequence[float]

_FONT = 11
# Longest label, in Latin letters.
_MAX_LABEL_WIDTH = 14
# Odd, so that the middle of the diverging scale is white.
_LEVELS = 33
_SEQUENTIAL = ((255, 255, 255), (107, 174, 214), (8, 48, 107))
_DIVERGING = ((33, 102, 172), (146, 197, 222), (255, 255, 255), (244, 165, 130), (178, 24, 43))
_ROUND_LIMITS = (0.1, 0.2, 0.3, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)
# Column labels are rotated by this many degrees: their height is its sine, and their width its cosine, of their length.
_ROTATION, _SINE, _COSINE = 60, 0.87, 0.5


@dataclass(frozen=True, slots=True)
class Panel:
    """One heat map."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Sequence[Row]
    """A number for each row and column; NaN stays grey."""
    low: float
    """Value of the first colour. If it is negative, the scale is blue, white, red; else white to dark blue."""
    high: float
    """Value of the last colour; values beyond either end are clipped."""
    summary: tuple[str, Row] | None = None
    """Label and numbers of a row that stands apart, above the others."""
    bottom_labels: tuple[str, ...] = ()
    """Labels below the columns."""


def draw(panel: Panel, *, cell: tuple[int, int], tooltips: bool = False) -> str:
    """The panel as an ``<svg>`` element that is well-formed XML.

    Args:
        panel: what to draw.
        cell: width and height of a cell in pixels.
        tooltips: every cell shows its row, column and value; takes ten times the bytes.
    """
    width, height = cell
    font = min(_FONT, height)
    summary = [panel.summary] if panel.summary else []
    left = 8 + _label_extent([*panel.rows, *(label for label, _ in summary)], font)
    column_extent = _label_extent(panel.columns, _FONT)
    summary_top = 8 + _SINE * column_extent
    top = summary_top + (_FONT + 4) * len(summary)
    bottom = top + height * len(panel.rows)
    right_margin = max(_COSINE * column_extent, 1)
    bottom_margin = 8 + _SINE * _label_extent(panel.bottom_labels, _FONT) if panel.bottom_labels else 1
    cells = _named_cells(panel) if tooltips else _cells(panel.values, panel)
    parts = [
        *(_column_label(c, left + width * (i + 0.6), summary_top - 4, "start") for i, c in enumerate(panel.columns)),
        *(_column_label(c, left + width * (i + 0.7), bottom + 9, "end") for i, c in enumerate(panel.bottom_labels)),
        *(_row_label(label, left, summary_top + _FONT / 2, font) for label, _ in summary),
        *(_grid(_cells([row], panel), left, summary_top, (len(row), 1), (width, _FONT)) for _, row in summary),
        *(_row_label(name, left, top + height * (i + 0.5), font) for i, name in enumerate(panel.rows)),
        _grid(cells, left, top, (len(panel.columns), len(panel.rows)), cell),
    ]
    return _svg(panel.title, left + width * len(panel.columns) + right_margin, bottom + bottom_margin, parts)


def draw_scale(low: float, high: float) -> str:
    """A colour bar from ``low`` to ``high``, as an ``<svg>`` element."""
    values = [low + (high - low) * level / (_LEVELS - 1) for level in range(_LEVELS)]
    bar = Panel(f"colours from {_number(low)} to {_number(high)}", (), (), [values], low, high)
    parts = [
        f'<text x="30" y="10" text-anchor="end">{_number(low)}</text>',
        _grid(_cells(bar.values, bar), 35, 1, (_LEVELS, 1), (5, _FONT)),
        f'<text x="{40 + 5 * _LEVELS}" y="10">{_number(high)}</text>',
    ]
    return _svg(bar.title, 75 + 5 * _LEVELS, 13, parts)


def round_limit(values: Tensor) -> float:
    """The smallest round number that bounds the absolute values of 98 % of ``values``, a tensor of any shape."""
    magnitudes = values.abs().flatten()
    percentile = float(magnitudes.kthvalue(math.ceil(0.98 * len(magnitudes))).values)
    return next((limit for limit in _ROUND_LIMITS if percentile <= limit), _ROUND_LIMITS[-1])


def _svg(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    width, height = math.ceil(width), math.ceil(height)
    return (
        f'<svg role="img" aria-label="{_escape(title)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-size="{_FONT}">{"".join(parts)}</svg>'
    )


def _grid(strokes: str, left: float, top: float, shape: tuple[int, int], cell: tuple[int, int]) -> str:
    """A grey area of ``shape`` (columns, rows) cells, and on it ``strokes``, whose unit is one cell."""
    area = f'<rect width="{shape[0]}" height="{shape[1]}"'
    return (
        f'<g transform="translate({left:.1f} {top:.1f}) scale({cell[0]} {cell[1]})" shape-rendering="crispEdges">'
        f'{area} fill="#bbb"/><g transform="translate(0 .5)">{strokes}</g>'
        f'{area} fill="none" stroke="#bbb" vector-effect="non-scaling-stroke"/></g>'
    )


def _cells(values: Sequence[Row], panel: Panel) -> str:
    """One path for each colour."""
    strokes: dict[str, list[str]] = {}
    for y, row in enumerate(values):
        x = 0
        for colour, cells in groupby(_colour(value, panel) for value in row):
            length = sum(1 for _ in cells)
            strokes.setdefault(colour, []).append(f"M{x} {y}h{length}")
            x += length
    return "".join(f'<path stroke="{colour}" d="{"".join(lines)}"/>' for colour, lines in strokes.items())


def _named_cells(panel: Panel) -> str:
    """One path with a tooltip for each cell."""
    return "".join(
        f'<path stroke="{_colour(value, panel)}" d="M{x} {y}h1">'
        f"<title>{_escape(f'{row} ← {column}: {value:.3f}')}</title></path>"
        for y, (row, values) in enumerate(zip(panel.rows, panel.values, strict=True))
        for x, (column, value) in enumerate(zip(panel.columns, values, strict=True))
    )


def _colour(value: float, panel: Panel) -> str:
    """The colour of a value, one of ``_LEVELS`` between the anchors of the panel's scale."""
    if math.isnan(value):
        return "none"
    anchors = _DIVERGING if panel.low < 0 else _SEQUENTIAL
    fraction = min(max((value - panel.low) / (panel.high - panel.low), 0.0), 1.0)
    position = round(fraction * (_LEVELS - 1)) / (_LEVELS - 1) * (len(anchors) - 1)
    lower = min(int(position), len(anchors) - 2)
    mixed = (a + (b - a) * (position - lower) for a, b in zip(anchors[lower], anchors[lower + 1], strict=True))
    return "#" + "".join(f"{round(channel):02x}" for channel in mixed)


def _column_label(name: str, x: float, y: float, anchor: str) -> str:
    transform = f"translate({x:.1f} {y:.1f}) rotate(-{_ROTATION})"
    return f'<text transform="{transform}" text-anchor="{anchor}">{_label(name)}</text>'


def _row_label(name: str, left: float, middle: float, font: int) -> str:
    position = f'x="{left - 4:.1f}" y="{middle + 0.35 * font:.1f}"'
    return f'<text {position} text-anchor="end" font-size="{font}">{_label(name)}</text>'


def _label(name: str) -> str:
    """A name, shortened if it is too long, with the whole name as tooltip."""
    short = _shorten(name)
    return _escape(short) if short == name else f"<title>{_escape(name)}</title>{_escape(short)}"


def _shorten(name: str) -> str:
    if _text_width(name) <= _MAX_LABEL_WIDTH:
        return name
    while _text_width(name) >= _MAX_LABEL_WIDTH:
        name = name[:-1]
    return name + "…"


def _label_extent(names: Sequence[str], font: int) -> float:
    """Length in pixels of the longest label."""
    return 0.66 * font * max((_text_width(_shorten(name)) for name in names), default=0)


def _text_width(text: str) -> int:
    """Width in Latin letters; Chinese, Japanese and Korean ones take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _escape(text: str) -> str:
    return html.escape(printable(text))
