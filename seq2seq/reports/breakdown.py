"""BLEU by the length of sentences and by the rarity of their words (Sutskever et al. 2014, Fig. 3)."""

from collections.abc import Sequence

from seq2seq.evaluation.buckets import Bucket, bucket_scores, buckets, frequency_ranks, mean_ranks
from seq2seq.evaluation.health import Split
from seq2seq.evaluation.statistics import Statistics
from seq2seq.reports.chart import Chart, Point, Series, format_number
from seq2seq.reports.parts import Figures, Note, make_section
from seq2seq.reports.section import Section, Table

_NOTE = (
    "Test sentences are sorted by length, or by how rare their words are on average, and cut into parts of about the "
    "same size (Sutskever et al. 2014, Fig. 3). Upright strokes are 95 % intervals."
)


def breakdown_section(
    sources: Sequence[str],
    statistics: Statistics,
    split: Split,
    training: Sequence[Sequence[str]] | None,
) -> Section | None:
    """BLEU of parts of a test set; None if its sentences are all alike.

    Args:
        sources: sentences of the set.
        statistics: of BLEU, of the outputs for them.
        split: text → words.
        training: words of sources of the training part; None: words are ranked by their frequency in ``sources``.
    """
    charts = breakdown_charts(sources, statistics, split, training)
    if not charts:
        return None
    return make_section(
        "Long sentences, rare words", "breakdown", [Note(_NOTE), Figures(charts, list(map(_table, charts)))]
    )


def breakdown_charts(
    sources: Sequence[str],
    statistics: Statistics,
    split: Split,
    training: Sequence[Sequence[str]] | None,
) -> list[Chart]:
    """The left and the right picture of the figure, as far as there is more than one part."""
    words = [split(source) for source in sources]
    ranks = mean_ranks(words, frequency_ranks(words if training is None else training))
    where = "these sentences" if training is None else "the training part"
    pictures = [
        (buckets([len(sentence) for sentence in words]), "words of the source"),
        (buckets(ranks), f"mean rank of the source's words by frequency in {where}"),
    ]
    return [_chart(statistics, parts, label) for parts, label in pictures if len(parts) > 1]


def _chart(statistics: Statistics, parts: Sequence[Bucket], label: str) -> Chart:
    points, ticks = [], []
    for place, (part, score) in enumerate(zip(parts, bucket_scores(statistics, parts), strict=True)):
        ends = dict.fromkeys(format_number(round(end)) for end in (part.low, part.high))
        ticks.append("–".join(ends))
        interval = f"{score.low:.1f} to {score.high:.1f}"
        shown = f"{ticks[-1]}: BLEU {score.score:.1f}, {interval}, {len(part.sentences):,} sentences"
        points.append(Point(place, score.score, shown, score.low, score.high))
    return Chart(f"BLEU by {label}", [Series("", points)], label, "BLEU", ticks=ticks)


def _table(chart: Chart) -> Table:
    rows = [
        [tick, f"{point.y:.1f}", f"{point.low:.1f} – {point.high:.1f}"]
        for tick, point in zip(chart.ticks, chart.series[0].points, strict=True)
    ]
    return Table([chart.x_label, chart.y_label, "95 % interval"], rows, numbers=(1, 2))
