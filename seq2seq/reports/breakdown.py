"""Scores by the length of sentences and by the rarity of their words (Sutskever et al. 2014, Fig. 3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from seq2seq.evaluation.buckets import Bucket, bucket_scores, buckets, frequency_ranks, mean_ranks
from seq2seq.evaluation.statistics import Statistics
from seq2seq.reports.chart import Chart, Point, Series, format_number
from seq2seq.reports.parts import Figures, Note, make_section
from seq2seq.reports.section import Section, Table

_NOTE = (
    "Test sentences are sorted by length, or by how rare their words are on average, and cut into parts of about the "
    "same size (Sutskever et al. 2014, Fig. 3). Upright strokes are 95 % intervals."
)


@dataclass(frozen=True, slots=True)
class SourceWords:
    """Sources of a test set, each as its words."""

    unit: str
    """``words``, or ``letters`` where every source is one word."""
    tested: Sequence[Sequence[str]]
    training: Sequence[Sequence[str]] | None
    """Those of the training part, by which words are ranked; None: by their frequency in ``tested``."""


def breakdown_section(charts: Sequence[Chart]) -> Section | None:
    """The pictures of :func:`breakdown_charts`; None if there are none."""
    if not charts:
        return None
    return make_section(
        "Long sentences, rare words", "breakdown", [Note(_NOTE), Figures(charts, list(map(_table, charts)))]
    )


def breakdown_charts(words: SourceWords, statistics: Statistics, metric: str) -> list[Chart]:
    """The left and the right picture of the figure; one is left out if the sentences are all alike in it.

    Args:
        words: of the sources.
        statistics: of the outputs for them.
        metric: what the statistics are of.
    """
    ranks = mean_ranks(words.tested, frequency_ranks(words.tested if words.training is None else words.training))
    where = "these sentences" if words.training is None else "the training part"
    pictures = [
        (buckets([len(source) for source in words.tested]), f"{words.unit} of the source"),
        (buckets(ranks), f"mean rank of the source's {words.unit} by frequency in {where}"),
    ]
    return [_chart(statistics, parts, label, metric) for parts, label in pictures if len(parts) > 1]


def _chart(statistics: Statistics, parts: Sequence[Bucket], label: str, metric: str) -> Chart:
    points, ticks = [], []
    for place, (part, score) in enumerate(zip(parts, bucket_scores(statistics, parts), strict=True)):
        ends = dict.fromkeys(format_number(round(end)) for end in (part.low, part.high))
        ticks.append("–".join(ends))
        interval = f"{score.low:.1f} to {score.high:.1f}"
        shown = f"{ticks[-1]}: {metric} {score.score:.1f}, {interval}, {len(part.sentences):,} sentences"
        points.append(Point(place, score.score, shown, score.low, score.high))
    return Chart(f"{metric} by {label}", [Series("", points)], label, metric, ticks=ticks)


def _table(chart: Chart) -> Table:
    rows = [
        [tick, f"{point.y:.1f}", f"{point.low:.1f} – {point.high:.1f}"]
        for tick, point in zip(chart.ticks, chart.series[0].points, strict=True)
    ]
    return Table([chart.x_label, chart.y_label, "95 % interval"], rows, numbers=(1, 2))
