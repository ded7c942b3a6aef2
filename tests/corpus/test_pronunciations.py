"""Pronouncing dictionaries: words and phonemes, without numbers of variants, stress and comments."""

from pathlib import Path

import pytest

from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.pronunciations import read_pronunciations
from seq2seq.errors import CorpusError

LINES = """'bout B AW1 T
a AH0
a(2) EY1
aalborg AO1 L B AO0 R G # place, danish

a.d. EY2 D IY1
"""
PAIRS = [
    Pair("'bout", "B AW T"),
    Pair("a", "AH"),
    Pair("a", "EY"),
    Pair("aalborg", "AO L B AO R G"),
    Pair("a.d.", "EY D IY"),
]


@pytest.fixture
def dictionary(tmp_path: Path) -> Path:
    path = tmp_path / "toy.dict"
    path.write_text(LINES, encoding="utf-8")
    return path


def test_variants_belong_to_their_word_and_stress_and_comments_are_left_out(dictionary: Path) -> None:
    assert list(read_pronunciations(dictionary)) == PAIRS


def test_a_line_without_phonemes_is_named(dictionary: Path) -> None:
    dictionary.write_text("a AH0\nb\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"toy\.dict, line 2: expected a word and its phonemes, found 'b'"):
        list(read_pronunciations(dictionary))
