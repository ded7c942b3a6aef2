"""What ``auto`` becomes for a corpus: parts, pieces and the size of the vocabulary."""

from itertools import count

import pytest

from seq2seq.config import DataConfig, SubwordConfig
from seq2seq.corpus.automatic import SideStatistics, piece_type, split_sizes, vocabulary_size
from seq2seq.corpus.pairs import Pair


def statistics(*texts: str, times: int = 1) -> SideStatistics:
    counted = SideStatistics()
    for text in texts * times:
        counted.add(text)
    return counted


@pytest.mark.parametrize(("sources", "size"), [(3, 1), (300, 30), (3000, 300), (20_000, 2000), (50_000, 2000)])
def test_a_tenth_of_the_different_sources_is_held_out(sources: int, size: int) -> None:
    pairs = [Pair(str(number), side) for number in range(sources) for side in "ab"]
    found = split_sizes(DataConfig(), pairs)
    assert (found.validation_size, found.test_size) == (size, size)
    mixed = split_sizes(DataConfig(test_size=0), pairs)
    assert (mixed.validation_size, mixed.test_size) == (size, 0)


def test_no_more_of_a_large_corpus_is_read_than_tells_its_size() -> None:
    assert split_sizes(DataConfig(), (Pair(str(number), "") for number in count())).test_size == 2000


def test_what_is_set_needs_no_look_at_the_corpus() -> None:
    data = DataConfig(validation_size=5, test_size=7)
    assert split_sizes(data, (1 / 0 for _ in "x")) is data


def test_words_and_small_corpora_are_spelled_and_texts_are_not() -> None:
    sentence, document = "I am here today, with all of you.", "word " * 200
    assert piece_type(statistics("abandon", times=100_000), statistics("AH0 B AE1", times=100_000)) == "char"
    assert piece_type(statistics(sentence, times=1000), statistics(sentence, times=1000)) == "char"
    assert piece_type(statistics(sentence, times=9000), statistics(sentence, times=9000)) == "unigram"
    assert piece_type(statistics(document, times=10), statistics("good", times=10)) == "unigram"


def test_a_vocabulary_grows_with_the_corpus_and_holds_every_character() -> None:
    unigram = SubwordConfig(type="unigram", byte_fallback=False)
    sizes = [vocabulary_size(statistics("I am here.", times=times), unigram) for times in (1, 100, 10_000)]
    assert sizes == sorted(set(sizes))
    alphabet = "".join(map(chr, range(0x4E00, 0x4E00 + 5000)))
    assert vocabulary_size(statistics(alphabet), unigram) > 5000
    assert vocabulary_size(statistics(alphabet), SubwordConfig(type="char")) == 5000 + 5 + 256


def test_sizes_are_close_to_those_of_the_shipped_recipes() -> None:
    """Characters of Tatoeba's English and Spanish and of Multi30k's English and German, with 6,000 and 4,000 pieces."""
    for characters, pieces in ((9_000_000, 6000), (3_600_000, 4000)):
        found = vocabulary_size(SideStatistics(texts=1, characters=characters), SubwordConfig(type="unigram"))
        assert found == pytest.approx(pieces, rel=0.2)
