"""Heat maps as SVG: a table of numbers in, a drawing that needs nothing else out.

Neighbours of one colour are one stroke and all strokes of one colour one path, so that a cell takes a few bytes.
"""

import html
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from torch import Tensor

Row = Sequence[float]

_FONT = 11
_LONGEST = 14
"""Width of the longest label, in Latin letters."""
# Odd, so that the middle of a diverging scale has a colour of its own: white.
_LEVELS = 33
_SEQUENTIAL = ((255, 255, 255), (107, 174, 214), (8, 48, 107))
_DIVERGING = ((33, 102, 172), (146, 197, 222), (255, 255, 255), (244, 165, 130), (178, 24, 43))
_LIMITS = (0.1, 0.2, 0.3, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)
# Labels lean by 60 degrees: they rise by this much of their length and stick out sideways by half of it.
_LEAN, _RISE = 60, 0.87
# What XML has no way to write.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Panel:
    """One heat map."""

    title: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: Sequence[Row]
    """For each row a number for each column; NaN stays grey."""
    low: float
    """Value of the first colour; below 0 the scale is blue, white, red, else white to dark blue."""
    high: float
    """Value of the last colour; what lies beyond is clipped."""
    summary: tuple[str, Row] | None = None
    """Label and numbers of a row set apart above the others."""
    feet: tuple[str, ...] = ()
    """Labels below the columns."""


def draw(panel: Panel, *, cell: tuple[int, int], tooltips: bool = False) -> str:
    """The panel as an ``<svg>`` element that is well-formed XML.

    Args:
        panel: what to draw.
        cell: width and height of a cell in pixels.
        tooltips: every cell says what it is, which takes ten times the bytes.
    """
    width, height = cell
    font = min(_FONT, height)
    above = [panel.summary] if panel.summary else []
    left = 8 + _extent([*panel.rows, *(label for label, _ in above)], font)
    lean = _extent(panel.columns, _FONT)
    head = 8 + _RISE * lean
    top = head + (_FONT + 4) * len(above)
    bottom = top + height * len(panel.rows)
    foot = 8 + _RISE * _extent(panel.feet, _FONT) if panel.feet else 1
    cells = _named_cells(panel) if tooltips else _cells(panel.values, panel)
    parts = [
        *(_column_label(name, left + width * (i + 0.6), head - 4, "start") for i, name in enumerate(panel.columns)),
        *(_column_label(name, left + width * (i + 0.7), bottom + 9, "end") for i, name in enumerate(panel.feet)),
        *(_row_label(label, left, head + _FONT / 2, font) for label, _ in above),
        *(_grid(_cells([row], panel), left, head, (len(row), 1), (width, _FONT)) for _, row in above),
        *(_row_label(name, left, top + height * (i + 0.5), font) for i, name in enumerate(panel.rows)),
        _grid(cells, left, top, (len(panel.columns), len(panel.rows)), cell),
    ]
    return _svg(panel.title, left + width * len(panel.columns) + max(lean / 2, 1), bottom + foot, parts)


def draw_scale(low: float, high: float) -> str:
    """A bar of the colours from ``low`` to ``high``, as an ``<svg>`` element."""
    values = [low + (high - low) * level / (_LEVELS - 1) for level in range(_LEVELS)]
    bar = Panel(f"colours from {_number(low)} to {_number(high)}", (), (), [values], low, high)
    parts = [
        f'<text x="30" y="10" text-anchor="end">{_number(low)}</text>',
        _grid(_cells(bar.values, bar), 35, 1, (_LEVELS, 1), (5, _FONT)),
        f'<text x="{40 + 5 * _LEVELS}" y="10">{_number(high)}</text>',
    ]
    return _svg(bar.title, 75 + 5 * _LEVELS, 13, parts)


def round_limit(values: Tensor) -> float:
    """A round number that 98 % of the values, of any shape and sign, do not exceed in size."""
    sizes = values.abs().flatten()
    usual = float(sizes.kthvalue(math.ceil(0.98 * len(sizes))).values)
    return next((limit for limit in _LIMITS if usual <= limit), _LIMITS[-1])


def printable(text: str) -> str:
    """The text with a mark in place of each character that no page can hold."""
    return _UNPRINTABLE.sub("\ufffd", text)


def _svg(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    width, height = math.ceil(width), math.ceil(height)
    return (
        f'<svg role="img" aria-label="{_escape(title)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-size="{_FONT}">{"".join(parts)}</svg>'
    )


def _grid(strokes: str, left: float, top: float, cells: tuple[int, int], size: tuple[int, int]) -> str:
    """So many cells across and down in their place: strokes one unit long and wide, scaled to their size, on grey."""
    area = f'<rect width="{cells[0]}" height="{cells[1]}"'
    return (
        f'<g transform="translate({left:.1f} {top:.1f}) scale({size[0]} {size[1]})" shape-rendering="crispEdges">'
        f'{area} fill="#bbb"/><g transform="translate(0 .5)">{strokes}</g>'
        f'{area} fill="none" stroke="#bbb" vector-effect="non-scaling-stroke"/></g>'
    )


def _cells(values: Sequence[Row], panel: Panel) -> str:
    strokes: dict[str, list[str]] = {}
    for y, row in enumerate(values):
        x = 0
        for colour, cells in groupby(_colour(value, panel) for value in row):
            length = sum(1 for _ in cells)
            strokes.setdefault(colour, []).append(f"M{x} {y}h{length}")
            x += length
    return "".join(f'<path stroke="{colour}" d="{"".join(lines)}"/>' for colour, lines in strokes.items())


def _named_cells(panel: Panel) -> str:
    return "".join(
        f'<path stroke="{_colour(value, panel)}" d="M{x} {y}h1">'
        f"<title>{_escape(f'{row} ← {column}: {value:.3f}')}</title></path>"
        for y, (row, values) in enumerate(zip(panel.rows, panel.values, strict=True))
        for x, (column, value) in enumerate(zip(panel.columns, values, strict=True))
    )


def _colour(value: float, panel: Panel) -> str:
    """One of ``_LEVELS`` colours between the anchors of the panel's scale."""
    if math.isnan(value):
        return "none"
    anchors = _DIVERGING if panel.low < 0 else _SEQUENTIAL
    share = min(max((value - panel.low) / (panel.high - panel.low), 0.0), 1.0)
    place = round(share * (_LEVELS - 1)) / (_LEVELS - 1) * (len(anchors) - 1)
    before = min(int(place), len(anchors) - 2)
    mixed = (a + (b - a) * (place - before) for a, b in zip(anchors[before], anchors[before + 1], strict=True))
    return "#" + "".join(f"{round(part):02x}" for part in mixed)


def _column_label(name: str, x: float, y: float, anchor: str) -> str:
    return f'<text transform="translate({x:.1f} {y:.1f}) rotate(-{_LEAN})" text-anchor="{anchor}">{_label(name)}</text>'


def _row_label(name: str, left: float, middle: float, font: int) -> str:
    return (
        f'<text x="{left - 4:.1f}" y="{middle + 0.35 * font:.1f}" text-anchor="end" font-size="{font}">'
        f"{_label(name)}</text>"
    )


def _label(name: str) -> str:
    """A name short enough for its place, whole where the pointer rests on it."""
    short = _shorten(name)
    return _escape(short) if short == name else f"<title>{_escape(name)}</title>{_escape(short)}"


def _shorten(name: str) -> str:
    if _columns(name) <= _LONGEST:
        return name
    while _columns(name) >= _LONGEST:
        name = name[:-1]
    return name + "…"


def _extent(names: Sequence[str], font: int) -> float:
    """Pixels of the longest label."""
    return 0.66 * font * max((_columns(_shorten(name)) for name in names), default=0)


def _columns(text: str) -> int:
    """Width in Latin letters; Chinese, Japanese and Korean ones take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")


def _escape(text: str) -> str:
    return html.escape(printable(text))
