"""Numbers in words: a reader that knows only what the words are worth finds the number again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.corpus.numbers import in_words, number_pairs

WORTH = {"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9}
WORTH |= {"ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16}
WORTH |= {"seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50}
WORTH |= {"sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
BIG = {"thousand": 1000, "million": 1_000_000}


def read(text: str) -> int:
    total = group = 0
    for word in text.replace("-", " ").split(" "):
        if word == "hundred":
            group *= 100
        elif word in BIG:
            total, group = total + group * BIG[word], 0
        else:
            group += WORTH[word]
    return total + group


@given(st.integers(0, 999_999_999))
def test_the_words_are_worth_the_number(number: int) -> None:
    assert read(in_words(number)) == number


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (17, "seventeen"),
        (40, "forty"),
        (205_041, "two hundred five thousand forty-one"),
        (1_000_000, "one million"),
        (900_000_019, "nine hundred million nineteen"),
    ],
)
def test_words_are_those_of_american_english(number: int, words: str) -> None:
    assert in_words(number) == words


def test_pairs_go_the_way_that_the_job_says_the_same_each_time() -> None:
    for pair in number_pairs("to-words", 200):
        assert in_words(int(pair.src)) == pair.tgt
    for pair in number_pairs("to-digits", 200):
        assert in_words(int(pair.tgt)) == pair.src
    both = list(number_pairs("both", 200))
    assert both == list(number_pairs("both", 200))
    assert {pair.src.isdecimal() for pair in both} == {pair.tgt.isdecimal() for pair in both} == {True, False}


def test_numbers_of_all_sizes_and_round_ones_occur() -> None:
    numbers = [int(pair.src) for pair in number_pairs("to-words", 2000)]
    assert min(numbers) < 1000 < 500_000_000 < max(numbers) < 10**9
    assert any(number % 1_000_000 == 0 for number in numbers if number)


def test_zeros_in_front_within_a_number_are_not_rare() -> None:
    """As in 4,017: that the hundreds are missing has to be learned from examples."""
    numbers = [int(pair.src) for pair in number_pairs("to-words", 2000)]
    last = [number % 1000 for number in numbers if number > 1000 and number % 1000]
    assert 0.4 < sum(group < 100 for group in last) / len(last) < 0.8
