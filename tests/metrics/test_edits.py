"""CER and WER: edit distances by the textbook, of the nearest reference, over the whole corpus."""

from functools import cache

import pytest
import rapidfuzz
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.config import EvaluationConfig
from seq2seq.metrics.scores import corpus_score, corpus_scores

texts = st.text("abA ", max_size=6)
PLAIN = EvaluationConfig(tokenize="13a", metrics=("cer", "wer"))


def edits(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    """Wagner & Fischer's recurrence, word for word."""

    @cache
    def distance(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        same = distance(i - 1, j - 1) + (first[i - 1] != second[j - 1])
        return min(same, distance(i - 1, j) + 1, distance(i, j - 1) + 1)

    return distance(len(first), len(second))


@settings(deadline=None)
@given(rows=st.lists(st.tuples(texts, st.lists(texts, min_size=1, max_size=3)), min_size=1, max_size=4))
def test_error_rates_are_edits_to_the_nearest_reference_by_its_length(rows: list[tuple[str, list[str]]]) -> None:
    hypotheses, references = [text for text, _ in rows], [own for _, own in rows]
    for name, units in (("cer", tuple), ("wer", lambda text: tuple(text.split()))):
        wrong = length = 0
        for text, own in rows:
            nearest = min((edits(units(text), units(one)), -len(units(one))) for one in own)
            wrong, length = wrong + nearest[0], length - nearest[1]
        expected = 100 * wrong / length if length else 100 * min(wrong, 1)
        assert corpus_score(name, hypotheses, references, PLAIN) == pytest.approx(expected)


def test_a_word_is_what_stands_between_white_space() -> None:
    """So error rates of phonemes and of letters that are spelled apart are word error rates."""
    assert corpus_score("wer", ["K AE1 T"], [["K AH0 T"]], PLAIN) == pytest.approx(100 / 3)
    assert corpus_score("wer", ["ab"], [["a b"]], PLAIN) == 100
    assert corpus_score("cer", ["一二四"], [["一二三"]], PLAIN) == pytest.approx(100 / 3)


def test_case_counts_unless_it_is_lowered() -> None:
    lowered = EvaluationConfig(tokenize="13a", lowercase=True, metrics=("cer", "wer"))
    for name in ("cer", "wer"):
        assert corpus_score(name, ["A Cat"], [["a cat"]], PLAIN) > 0
        assert corpus_score(name, ["A Cat"], [["a cat"]], lowered) == 0
    assert "case:mixed" in corpus_scores(["a"], [["a"]], PLAIN)["cer"].signature
    assert "case:lc" in corpus_scores(["a"], [["a"]], lowered)["cer"].signature


def test_the_signature_says_what_was_counted_and_by_what() -> None:
    scores = corpus_scores(["a b", "c"], [["a b", "a"], ["d"]], PLAIN)
    for name, unit in (("cer", "character"), ("wer", "word")):
        signature = scores[name].signature
        assert signature.startswith("nrefs:var|bs:1000|seed:12345|")
        assert f"|unit:{unit}|distance:rapidfuzz-{rapidfuzz.__version__}|" in signature
        assert 0 <= scores[name].low <= scores[name].score <= scores[name].high
