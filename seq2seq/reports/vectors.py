"""Sentence vectors in two dimensions (Sutskever et al. 2014, Fig. 2)."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

from seq2seq.decoding.translator import Translator
from seq2seq.decoding.vectors import sentence_vectors
from seq2seq.reports.chart import Chart, Point, Series
from seq2seq.reports.parts import Figures, Note, make_section
from seq2seq.reports.phrases import PhraseSet, phrase_sets
from seq2seq.reports.section import Section, Table

_NOTE = (
    "Each point is the encoder's final hidden state for one phrase, projected on the two directions in which the "
    "phrases of its picture differ most (Sutskever et al. 2014, Fig. 2). Phrases of one colour mean about the same "
    "or consist of the same words. If the encoder understands the order of words and not the words alone, "
    "the colours lie apart where meanings differ."
)

Matrix = npt.NDArray[np.float64]


def vectors_section(translator: Translator, sources: Sequence[str]) -> Section | None:
    """The encoder's vectors of phrases that differ in the order of their words; None if there are too few phrases.

    Args:
        translator: its first member encodes.
        sources: sentences of the source language.
    """
    sets = [groups for groups in phrase_sets(sources) if sum(len(group.phrases) for group in groups) > 2]
    if not sets:
        return None
    charts = [vector_chart(translator, groups) for groups in sets]
    return make_section("Sentence vectors", "vectors", [Note(_NOTE), Figures(charts, list(map(_table, charts)))])


def vector_chart(translator: Translator, groups: PhraseSet) -> Chart:
    """The picture of one set of phrases."""
    phrases = [phrase for group in groups for phrase in group.phrases]
    places = principal_components(sentence_vectors(translator, phrases).astype(np.float64)).tolist()
    points = iter(Point(x, y, phrase) for (x, y), phrase in zip(places, phrases, strict=True))
    series = [Series(group.name, list(islice(points, len(group.phrases)))) for group in groups]
    return Chart("sentence vectors", series, "first component", "second component", joined=False, labelled=True)


def principal_components(vectors: Matrix) -> Matrix:
    """The projections of vectors (N, D) on the two directions of largest variance, (N, 2).

    The sign of a direction is free: it is chosen so that the entry of largest size is positive.
    """
    centred = vectors - vectors.mean(0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    places = np.zeros((len(vectors), 2))
    count = min(2, len(sizes))
    places[:, :count] = left[:, :count] * sizes[:count]
    largest = places[np.abs(places).argmax(0), [0, 1]]
    places *= np.where(largest < 0, -1.0, 1.0)
    return places


def _table(chart: Chart) -> Table:
    rows = [
        [series.name, point.label, f"{point.x:.2f}", f"{point.y:.2f}"]
        for series in chart.series
        for point in series.points
    ]
    return Table(["group", "phrase", chart.x_label, chart.y_label], rows, numbers=(2, 3))
