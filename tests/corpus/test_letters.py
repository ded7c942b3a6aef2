"""Words of every script, with their marks."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.config import SubwordConfig
from seq2seq.corpus.letters import begins_word, ends_word
from seq2seq.corpus.normalise import normalise
from seq2seq.corpus.subword import Subword
from seq2seq.corpus.words import JOINER, WordSplitter, join_words
from seq2seq.decoding.constraints import contains

TEXTS = {
    "Hindi": ("नमस्ते दुनिया!", ["नमस्ते", "दुनिया", "￭!"]),
    "Hebrew with points": ("שָׁלוֹם, עוֹלָם", ["שָׁלוֹם", "￭,", "עוֹלָם"]),
    "Arabic with vowels": ("مَرْحَبًا بِكَ", ["مَرْحَبًا", "بِكَ"]),
    "Persian with a joiner": ("می‌خواهم", ["می‌خواهم"]),
    "Thai": ("ที่นี่ Tom", ["ที่", "￭นี่", "Tom"]),
    "Han": ("我的猫，Tom", ["我", "￭的", "￭猫", "￭，", "￭Tom"]),
    "a mark without a letter of its own": ("e\u0304\u0301 ❤\ufe0fa", ["ḗ", "❤\ufe0f", "￭a"]),
}
MIXED = Subword.train([text for text, _ in TEXTS.values()], SubwordConfig(type="word"), vocab_size=60)


@pytest.mark.parametrize("script", TEXTS)
def test_a_word_keeps_its_marks(script: str) -> None:
    text, words = TEXTS[script]
    assert WordSplitter().split(normalise(text)) == words
    assert join_words(words) == normalise(text)


@given(text=st.text())
@settings(max_examples=300)
def test_no_word_begins_with_a_mark_of_the_one_before(text: str) -> None:
    for word in WordSplitter().split(normalise(text)):
        assert not (word.startswith(JOINER) and unicodedata.category(word[1])[0] == "M")


@given(ids=st.lists(st.integers(4, len(MIXED) - 1), max_size=6))
@settings(max_examples=300, deadline=None)
def test_words_of_all_scripts_that_may_stand_side_by_side_are_read_back(ids: list[int]) -> None:
    bigrams = MIXED.forbidden_bigrams
    assert bigrams is not None
    before = [2, *(bigrams.ends_in_letter[word] for word in ids)]
    allowed = not any(bigrams.forbidden[last][word] for last, word in zip(before, ids, strict=False))
    assert (MIXED.encode(MIXED.decode(ids)) == ids) == allowed


@pytest.mark.parametrize(
    ("character", "begins", "ends"),
    [
        *(("a", False, False), ("é", False, False), ("7", False, False), ("\u0301", False, False), (",", True, True)),
        *(("猫", True, True), ("ท", True, True), ("\u0e35", False, True)),
    ],
)
def test_where_words_begin_and_end(character: str, begins: bool, ends: bool) -> None:
    assert (begins_word(character), ends_word(character)) == (begins, ends)


@pytest.mark.parametrize(
    ("text", "phrase", "there"),
    [
        ("नमस्ते दुनिया", "नमस्ते", True),
        ("नमस्ते दुनिया", "नमस", False),  # a mark goes on
        ("שָׁלוֹם", "ש", False),
        ("我的猫好", "猫", True),
        ("我的Apple手机", "Apple", True),
        ("ที่นี่", "ที่", True),
        ("ที่นี่", "ท", False),
        ("la casa.", "casa", True),
        ("la casada", "casa", False),
        ("encasa", "casa", False),
    ],
)
def test_phrases_are_whole_words(text: str, phrase: str, there: bool) -> None:
    assert contains(text, phrase) is there
