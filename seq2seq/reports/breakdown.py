"""Scores by the length of sentences and by the rarity of their words (Sutskever et al. 2014, Fig. 3)."""

from collections.abc import Mapping, Sequence
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
class Words:
    """The words by which a test set is cut into parts."""

    unit: str
    """``words``, or ``letters`` where every text is one word."""
    side: str
    """``source`` or ``reference``."""
    tested: Sequence[Sequence[str]]
    """Of each sentence."""
    training: Sequence[Sequence[str]] | None
    """Those of the training part, by which words are ranked; None: by their frequency in ``tested``."""


def breakdown_section(charts: Sequence[Chart]) -> Section | None:
    """The pictures of :func:`breakdown_charts`; None if there are none."""
    if not charts:
        return None
    return make_section(
        "Long sentences, rare words", "breakdown", [Note(_NOTE), Figures(charts, list(map(_table, charts)))]
    )


def breakdown_charts(words: Words, systems: Mapping[str, Statistics], metric: str) -> list[Chart]:
    """The left and the right picture of the figure; one is left out if the sentences are all alike in it.

    Args:
        words: of the sentences.
        systems: statistics of each system's outputs, by its name; a single one needs none.
        metric: what the statistics are of.
    """
    ranks = mean_ranks(words.tested, frequency_ranks(words.tested if words.training is None else words.training))
    where = "these sentences" if words.training is None else "the training part"
    pictures = [
        (buckets([len(sentence) for sentence in words.tested]), f"{words.unit} of the {words.side}"),
        (buckets(ranks), f"mean rank of the {words.side}'s {words.unit} by frequency in {where}"),
    ]
    return [_chart(systems, parts, label, metric) for parts, label in pictures if len(parts) > 1]


def _chart(systems: Mapping[str, Statistics], parts: Sequence[Bucket], label: str, metric: str) -> Chart:
    ticks = ["–".join(dict.fromkeys(format_number(round(end)) for end in (part.low, part.high))) for part in parts]
    series = []
    for number, (name, statistics) in enumerate(systems.items()):
        shift = 0.12 * (number - (len(systems) - 1) / 2)  # intervals of several systems stand side by side
        points = []
        for place, (part, score) in enumerate(zip(parts, bucket_scores(statistics, parts), strict=True)):
            interval = f"{score.low:.1f} to {score.high:.1f}, {len(part.sentences):,} sentences"
            shown = f"{f'{name}, ' if name else ''}{ticks[place]}: {metric} {score.score:.1f}, {interval}"
            points.append(Point(place + shift, score.score, shown, score.low, score.high))
        series.append(Series(name, points))
    return Chart(f"{metric} by {label}", series, label, metric, ticks=ticks)


def _table(chart: Chart) -> Table:
    columns = [
        [f"{point.y:.1f} ({point.low:.1f} – {point.high:.1f})" for point in series.points] for series in chart.series
    ]
    names = [series.name or chart.y_label for series in chart.series]
    rows = [list(row) for row in zip(chart.ticks, *columns, strict=True)]
    return Table([chart.x_label, *names], rows, numbers=range(1, len(names) + 1))
