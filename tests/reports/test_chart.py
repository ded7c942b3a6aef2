"""Charts: well-formed, every point in its place, whatever the numbers and texts are."""

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.reports.chart import Chart, Point, Series, draw_chart, format_number

NUMBERS = st.floats(-1e6, 1e6) | st.sampled_from([0.0, math.nan, math.inf, -math.inf])


def chart_of(*series: list[tuple[float, float]], **settings: object) -> Chart:
    named = [Series(f"series {n}", [Point(x, y) for x, y in points]) for n, points in enumerate(series)]
    return Chart("title", named, "x", "y", **settings)  # type: ignore[arg-type]


def dots(drawing: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'<circle class="dot" cx="([\d.-]+)" cy="([\d.-]+)"', drawing)]


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=20), st.booleans())
def test_any_numbers_give_points_inside_the_drawing(points: list[tuple[float, float]], logarithmic: bool) -> None:
    drawing = draw_chart(chart_of(points, logarithmic=logarithmic))
    kept = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y) and (y > 1e-200 or not logarithmic)]
    assert len(dots(drawing)) == len(kept)
    if not kept:
        assert drawing == ""
        return
    _, _, width, height = map(float, ElementTree.fromstring(drawing).get("viewBox", "").split())
    assert all(0 <= x <= width and 0 <= y <= height for x, y in dots(drawing))


@pytest.mark.parametrize("logarithmic", [False, True])
def test_larger_numbers_are_further_right_and_up(logarithmic: bool) -> None:
    places = dots(draw_chart(chart_of([(1, 1), (2, 10), (3, 100)], logarithmic=logarithmic)))
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)
    (_, low), (_, middle), (_, high) = places
    assert ((low - middle) == pytest.approx(middle - high, abs=0.2)) is logarithmic


@pytest.mark.parametrize("logarithmic", [False, True])
@pytest.mark.parametrize(("low", "high"), [(0.001, 1), (0.3, 0.31), (11, 14), (1, 1e6), (1e-9, 2e-9), (99.9, 100)])
def test_an_axis_has_a_few_round_numbers(low: float, high: float, logarithmic: bool) -> None:
    drawing = draw_chart(chart_of([(0, low), (1, high)], logarithmic=logarithmic))
    labels = re.findall(r'text-anchor="end">([^<]*)<', drawing)
    assert 2 <= len(labels) <= 9
    assert len(set(labels)) == len(labels)


def test_texts_are_escaped() -> None:
    hostile = "</svg><script>&\x00"
    series = [Series(hostile, [Point(0, 1, hostile), Point(1, 2, hostile)])]
    drawing = draw_chart(Chart(hostile, series, hostile, hostile, ticks=[hostile, "b"], labelled=True))
    texts = ["".join(text.itertext()) for text in ElementTree.fromstring(drawing).iter()]
    assert texts.count("</svg><script>&\ufffd") >= 6
    assert "<script" not in drawing


def test_a_long_curve_is_a_line_alone() -> None:
    drawing = draw_chart(chart_of([(n, n) for n in range(1000)]))
    assert not dots(drawing)
    assert drawing.count("L") >= 999


def test_an_interval_is_drawn_from_end_to_end() -> None:
    points = [Point(0, 5, low=0, high=10), Point(1, 5)]
    drawing = draw_chart(Chart("title", [Series("", points)], "x", "y"))
    assert len(re.findall('class="line interval"', drawing)) == 1
    (start, end), (_, middle) = re.findall(r'interval" d="M[\d.]+ ([\d.]+)V([\d.]+)"', drawing)[0], dots(drawing)[0]
    assert float(end) < middle < float(start)


def test_numbers_are_short() -> None:
    assert [format_number(x) for x in (12000.0, 0.25, -3.0, 1 / 3)] == ["12,000", "0.25", "−3", "0.333"]


def test_a_series_without_points_has_no_legend() -> None:
    drawing = draw_chart(chart_of([], [(1, 2)]))
    assert "series 1" in drawing
    assert "series 0" not in drawing
