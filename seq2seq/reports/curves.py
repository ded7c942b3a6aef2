"""Learning curves."""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Literal

from seq2seq.reports.chart import Chart, Point, Series, format_number
from seq2seq.reports.parts import Figures, Note, Part, make_section
from seq2seq.reports.section import Section, Table
from seq2seq.reports.selection import evenly
from seq2seq.runs.history import Entry

# Points of a curve: more cannot be told apart at its width.
_MOST_POINTS = 300
# Validations in the Markdown table.
_MOST_ROWS = 12
METRICS = {
    "bleu": ("BLEU", 1.0),
    "chrf": ("chrF", 1.0),
    "exact_match": ("exact match, %", 100.0),
    "cer": ("character error rate, %", 1.0),
    "wer": ("word error rate, %", 1.0),
}
"""Validation scores by their name in the log: title of the curve, factor of its numbers."""


def curves_section(entries: Sequence[Entry]) -> Section | None:
    """Loss, perplexity, validation metrics, learning rate and speed over the updates; None without a log.

    Args:
        entries: of the log.
    """
    charts = [chart for chart in _charts(entries) if any(series.points for series in chart.series)]
    if not charts:
        return None
    parts: list[Part] = [Figures(charts, [_table(entries)])]
    if charts[0].marks:
        parts.append(Note("A dashed line stands where the training was resumed."))
    return make_section("Learning curves", "curves", parts)


def curve(
    entries: Sequence[Entry], kind: str, name: str, factor: float = 1.0, over: Literal["updates", "minutes"] = "updates"
) -> list[Point]:
    """One logged number over the course of a training, thinned to what a chart can show.

    Args:
        entries: of the log.
        kind: ``training`` or ``validation``.
        name: of the number.
        factor: by which it is multiplied.
        over: what the course is measured in.
    """
    points = [
        Point(getattr(entry.position, over), factor * entry.numbers[name])
        for entry in entries
        if entry.kind == kind and math.isfinite(entry.numbers.get(name, math.nan))
    ]
    size = math.ceil(len(points) / _MOST_POINTS)
    groups = [points[start : start + size] for start in range(0, len(points), size or 1)]
    return [Point(group[-1].x, fmean(point.y for point in group)) for group in groups]


def _charts(entries: Sequence[Entry]) -> list[Chart]:
    starts = [entry.position.updates for entry in entries if entry.kind == "start"]
    marks = tuple(starts[1:])

    def chart(title: str, *series: Series, logarithmic: bool = False) -> Chart:
        return Chart(title, series, "updates", title, logarithmic=logarithmic, marks=marks)

    return [
        chart("loss, nats per token", Series("", curve(entries, "training", "loss"))),
        chart(
            "perplexity",
            Series("training", curve(entries, "training", "perplexity")),
            Series("validation", curve(entries, "validation", "perplexity")),
            logarithmic=True,
        ),
        *(
            chart(f"validation {title}", Series("", curve(entries, "validation", name, factor)))
            for name, (title, factor) in METRICS.items()
        ),
        chart("learning rate", Series("", curve(entries, "training", "learning_rate"))),
        chart("target tokens per second", Series("", curve(entries, "training", "tokens_per_second"))),
    ]


def _table(entries: Sequence[Entry]) -> Table:
    """Some of the validations, the last among them, and the numbers of the training before each."""
    metrics = [
        name for name in METRICS if any(name in entry.numbers for entry in entries if entry.kind == "validation")
    ]
    rows, loss = [], ""
    for entry in entries:
        if entry.kind == "training":
            loss = format_number(entry.numbers["loss"]) if "loss" in entry.numbers else ""
        elif entry.kind == "validation":
            scores = [METRICS[name][1] * entry.numbers.get(name, math.nan) for name in metrics]
            shown = map(format_number, (entry.numbers["perplexity"], *scores))
            rows.append([f"{entry.position.updates:,}", loss, *shown])
    header = ["updates", "training loss", "validation perplexity", *(METRICS[name][0] for name in metrics)]
    return Table(header, evenly(rows[::-1], _MOST_ROWS)[::-1], numbers=range(len(header)))
