"""Charts as SVG elements, whose colours come from the page's style: curves, and points with labels.

Lengths are in the units of the drawing, which the page stretches to the width that it has.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from seq2seq.reports.text import printable, shortened

_WIDTH, _HEIGHT = 460.0, 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 14.0, 26.0, 42.0
_LEGEND_ROW, _TICK_ROW = 18.0, 14.0
# Width of a letter, with some room beside it.
_LETTER = 7.0
# Points of one series that are drawn as dots too; of more only the line between them is.
_MOST_DOTS = 60
# Rows and columns of a legend: its names are shortened to fit.
_LEGEND_COLUMNS, _LEGEND_LETTERS = 2, 26
_COLOURS = 5
# What is below it counts as 0: smaller numbers have no exact products.
_SMALLEST = 1e-200
# Letters of a label beside its point, and the distance of two labels.
_LABEL_LETTERS, _LABEL_ROW = 42, 10.0


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a chart."""

    x: float
    y: float
    label: str = ""
    """What is shown while the pointer is on it."""
    low: float | None = None
    """The ends of its interval, if it has one."""
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one colour."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn."""

    title: str
    series: Sequence[Series]
    x_label: str
    y_label: str
    ticks: Sequence[str] = ()
    """Labels at x = 0, 1, 2, …; without them the x axis has numbers."""
    logarithmic: bool = False
    """The y axis; points that are not above 0 are left out."""
    joined: bool = True
    """Lines run from point to point."""
    labelled: bool = False
    """Labels stand beside the points too."""
    marks: Sequence[float] = ()
    """x of dashed upright lines."""


@dataclass(frozen=True, slots=True)
class _Axis:
    """A range of numbers, drawn from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        low, high, value = (math.log(x) if self.logarithmic else x for x in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (value - low) / (high - low)

    def ticks(self) -> list[float]:
        """Round numbers within the range, about five."""
        if self.logarithmic:
            powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            numbers = [digit * 10.0**power for power in powers for digit in (1, 2, 5)]
            inside = [number for number in numbers if self.low <= number <= self.high]
            if len(inside) > 7:  # over several decades the powers of ten are enough
                return [number for number in inside if math.log10(number) % 1 < 1e-9]
            if len(inside) > 1:
                return inside
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * digit for digit in (1, 2, 5, 10) if power * digit >= rough * 0.999)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def draw_chart(chart: Chart) -> Markup:
    """The chart as an ``<svg>`` element that is well-formed XML; nothing if no point can be drawn."""
    drawable = (Series(series.name, list(_drawable(series.points, chart.logarithmic))) for series in chart.series)
    drawn = [series for series in drawable if series.points]
    points = [point for series in drawn for point in series.points]
    if not points:
        return Markup("")
    named = [series for series in drawn if series.name]
    top = _TOP + _LEGEND_ROW * math.ceil(len(named) / _LEGEND_COLUMNS)
    bottom = _BOTTOM + _TICK_ROW * _too_wide(chart.ticks)
    height = _HEIGHT + top - _TOP + bottom - _BOTTOM
    values = [value for point in points for value in (point.y, point.low, point.high) if value is not None]
    x_axis = _axis([point.x for point in points], _LEFT, _WIDTH - _RIGHT)
    if chart.ticks:
        x_axis = _Axis(-0.5, len(chart.ticks) - 0.5, _LEFT, _WIDTH - _RIGHT)
    y_axis = _axis(values, height - bottom, top, logarithmic=chart.logarithmic)
    parts = [
        *_grid(chart, x_axis, y_axis),
        *(_legend(series.name, number) for number, series in enumerate(drawn) if series.name),
        *(_draw_series(series, number, chart, x_axis, y_axis) for number, series in enumerate(drawn)),
        *(_labels(points, x_axis, y_axis) if chart.labelled else ()),
    ]
    svg = Markup('<svg class="chart" role="img" aria-label="{}" viewBox="0 0 {:g} {:g}" font-size="12">{}</svg>')
    return svg.format(printable(chart.title), _WIDTH, height, Markup("").join(parts))


def _drawable(points: Iterable[Point], logarithmic: bool) -> Iterable[Point]:
    for point in points:
        if math.isfinite(point.x) and math.isfinite(point.y) and (point.y > _SMALLEST or not logarithmic):
            yield point


def _axis(values: Sequence[float], start: float, end: float, *, logarithmic: bool = False) -> _Axis:
    """An axis over all the values; where they are all equal, around them."""
    low, high = min(values), max(values)
    if logarithmic:
        margin = max((high / low) ** 0.05, 1.02)
        return _Axis(low / margin, high * margin, start, end, logarithmic=True)
    margin = next((size for size in (0.05 * (high - low), 0.05 * abs(high)) if size > _SMALLEST), 1.0)
    # An axis of counts, shares or scores begins at 0 if that is near.
    floor = 0.0 if 0 <= low <= 0.3 * high else low - margin
    return _Axis(floor, high + margin, start, end)


def _grid(chart: Chart, x_axis: _Axis, y_axis: _Axis) -> Iterable[Markup]:
    """Axes with their numbers and names, and a line across for each number of the y axis."""
    bottom = y_axis.start
    across = Markup(
        '<path class="grid" d="M{:.1f} {:.1f}H{:.1f}"/><text x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>'
    )
    for value in y_axis.ticks():
        y = y_axis.at(value)
        yield across.format(x_axis.start, y, x_axis.end, x_axis.start - 6, y + 4, format_number(value, 6))
    below = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>')
    labels = list(enumerate(chart.ticks)) if chart.ticks else [(x, format_number(x, 6)) for x in x_axis.ticks()]
    rows = 2 if _too_wide(chart.ticks) else 1
    for number, (x, label) in enumerate(labels):
        yield below.format(x_axis.at(x), bottom + 16 + number % rows * _TICK_ROW, printable(label))
    yield below.format((x_axis.start + x_axis.end) / 2, bottom + 20 + rows * _TICK_ROW, printable(chart.x_label))
    yield Markup('<text class="name" x="0" y="12">{}</text>').format(printable(chart.y_label))
    for x in chart.marks:
        upright = Markup('<path class="mark" d="M{:.1f} {:.1f}V{:.1f}"/>')
        yield upright.format(x_axis.at(min(max(x, x_axis.low), x_axis.high)), y_axis.start, y_axis.end)


def _too_wide(ticks: Sequence[str]) -> bool:
    """Whether labels would run into each other on one row."""
    return (max(map(len, ticks), default=0) + 1) * len(ticks) * _LETTER > _WIDTH - _LEFT - _RIGHT


def _legend(name: str, number: int) -> Markup:
    row, column = divmod(number, _LEGEND_COLUMNS)
    x, y = _LEFT + column * (_WIDTH - _LEFT) / _LEGEND_COLUMNS, _TOP + 4 + row * _LEGEND_ROW
    entry = Markup('<path class="line {}" d="M{:.1f} {:.1f}h18"/><text x="{:.1f}" y="{:.1f}">{}</text>')
    return entry.format(_class(number), x, y, x + 24, y + 4, shortened(printable(name), _LEGEND_LETTERS))


def _draw_series(series: Series, number: int, chart: Chart, x_axis: _Axis, y_axis: _Axis) -> Markup:
    places = [(x_axis.at(point.x), y_axis.at(point.y)) for point in series.points]
    parts = []
    if chart.joined and places:
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(Markup('<path class="line" d="M{}"/>').format(path))
    for point in series.points:
        if point.low is not None and point.high is not None:
            interval = Markup('<path class="line interval" d="M{:.1f} {:.1f}V{:.1f}"/>')
            parts.append(interval.format(x_axis.at(point.x), y_axis.at(point.low), y_axis.at(point.high)))
    if len(places) <= _MOST_DOTS or not chart.joined:
        dot = Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>')
        for point, (x, y) in zip(series.points, places, strict=True):
            label = point.label or f"{format_number(point.x)}: {format_number(point.y)}"
            parts.append(dot.format(x, y, 3.5, printable(label)))
    return Markup('<g class="{}">{}</g>').format(_class(number), Markup("").join(parts))


def _labels(points: Iterable[Point], x_axis: _Axis, y_axis: _Axis) -> Iterable[Markup]:
    """A label at the side of each point where there is more room, and below one that would be under it."""
    text = Markup('<text class="label" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
    taken: dict[bool, float] = {False: -math.inf, True: -math.inf}
    for point in sorted(points, key=lambda point: y_axis.at(point.y)):
        x = x_axis.at(point.x)
        on_left = x > (_LEFT + _WIDTH) / 2
        y = max(y_axis.at(point.y) + 3, taken[on_left] + _LABEL_ROW)
        taken[on_left] = y
        anchor = "end" if on_left else "start"
        yield text.format(x - 6 if on_left else x + 6, y, anchor, shortened(printable(point.label), _LABEL_LETTERS))


def _class(number: int) -> str:
    return f"series-{number % _COLOURS + 1}"


def format_number(value: float, digits: int = 3) -> str:
    """``12,000``, ``0.25``, ``−3``: a few digits, or all of a large number."""
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"
    return text.replace("-", "−")
