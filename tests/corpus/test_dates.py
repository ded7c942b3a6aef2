"""Made-up dates: whoever reads them finds the day that the target names, and no text names two days."""

from datetime import date, datetime, timedelta

import pytest

from seq2seq.corpus.dates import FORMATS, date_pairs, written

DAYS = [date(year, 1, 1) + timedelta(days=day) for year in (1950, 1999, 2000, 2049) for day in range(365)]


@pytest.mark.parametrize(
    ("pattern", "reader"),
    [
        ("{weekday}, {month} {d}, {y}", "%A, %B %d, %Y"),
        ("{wday}, {dd} {mon} {y}", "%a, %d %b %Y"),
        ("{dd}{MON}{y}", "%d%b%Y"),
        ("{m}/{d}/{y}", "%m/%d/%Y"),
        ("{dd}.{mm}.{y}", "%d.%m.%Y"),
        ("{y}{mm}{dd}", "%Y%m%d"),
        ("{y}年{m}月{d}日", "%Y年%m月%d日"),
    ],
)
def test_pythons_own_reader_finds_the_day(pattern: str, reader: str) -> None:
    assert pattern in FORMATS
    assert [datetime.strptime(written(day, pattern), reader).date() for day in DAYS] == DAYS


def test_no_text_names_two_days() -> None:
    days: dict[str, date] = {}
    for day in DAYS:
        for pattern in FORMATS:
            assert days.setdefault(written(day, pattern), day) == day


@pytest.mark.parametrize(
    ("day", "expected"), [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (12, "12th"), (13, "13th"), (22, "22nd")]
)
def test_ordinals_end_as_english_has_them(day: int, expected: str) -> None:
    assert written(date(2021, 3, day), "the {th} of {month}, {y}") == f"the {expected} of March, 2021"


def test_other_languages_have_their_months() -> None:
    patterns = ("{d} {french} {y}", "{d}. {german} {y}", "{d} de {spanish} de {y}")
    assert set(patterns) < set(FORMATS)
    assert [written(date(2021, 3, 8), pattern) for pattern in patterns] == [
        "8 mars 2021",
        "8. März 2021",
        "8 de marzo de 2021",
    ]


def test_pairs_are_the_same_each_time_and_end_in_iso_dates_of_all_formats() -> None:
    pairs = list(date_pairs(2000))
    assert pairs == list(date_pairs(2000))
    texts = {pattern: 0 for pattern in FORMATS}
    for pair in pairs:
        day = date.fromisoformat(pair.tgt)
        found = [pattern for pattern in FORMATS if written(day, pattern) == pair.src]
        assert found, pair
        texts[found[0]] += 1
    assert all(texts.values())
    assert len(FORMATS) == len(set(FORMATS)) == 40
