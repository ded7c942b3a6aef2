"""N-grams that tell two sides apart: what is counted, what comes first, what is left out."""

from hypothesis import given
from hypothesis import strategies as st

from seq2seq.evaluation.ngrams import Tally, matched, produced

texts = st.lists(st.lists(st.sampled_from("abc"), max_size=6), min_size=1, max_size=6)


@given(texts)
def test_a_reference_has_nothing_too_often_and_nothing_too_rarely(references: list[list[str]]) -> None:
    tallies = produced(references, [[text] for text in references])
    assert not tallies.more
    assert not tallies.fewer
    assert matched(references, references, [[text] for text in references]) == tallies


@given(texts, st.data())
def test_sides_that_change_places_change_columns(first: list[list[str]], data: st.DataObject) -> None:
    second = data.draw(st.lists(st.lists(st.sampled_from("abc"), max_size=6), min_size=len(first), max_size=len(first)))
    wanted = data.draw(st.lists(st.lists(st.sampled_from("abc"), max_size=6), min_size=len(first), max_size=len(first)))
    references = [[text] for text in wanted]
    one, other = matched(first, second, references), matched(second, first, references)
    assert [(tally.ngram, tally.more, tally.fewer) for tally in one.more] == [
        (tally.ngram, tally.fewer, tally.more) for tally in other.fewer
    ]


def test_errors_of_different_sentences_do_not_cancel() -> None:
    outputs, references = [["x"], ["x", "y"], ["x"]] * 2, [[["y"]], [["y"]], [["x"]]] * 2
    tallies = produced(outputs, references)
    assert tallies.more == [Tally(("x",), 4, 0), Tally(("x", "y"), 2, 0)]
    assert tallies.fewer == [Tally(("y",), 0, 2)]
    assert produced(outputs[:3], references[:3]).fewer == []  # once is chance


def test_several_references_allow_whatever_one_of_them_has() -> None:
    tallies = produced([["a", "b"]] * 2, [[["a"], ["a", "b"]]] * 2)
    assert not tallies.more
    assert not tallies.fewer


def test_only_what_references_hold_counts_as_matched() -> None:
    tallies = matched([["a", "z"]] * 2, [["q"]] * 2, [[["a"], ["c"]]] * 2)
    assert [tally.ngram for tally in tallies.more] == [("a",)]


def test_evidence_comes_before_ratio_and_phrases_before_their_parts() -> None:
    often = [["in", "the"]] * 9 + [["rare"]] * 2
    tallies = produced(often, [[[]]] * 11)
    assert [tally.ngram for tally in tallies.more] == [("in", "the"), ("rare",)]
    assert Tally(("a",), 90, 60).weight < Tally(("a",), 30, 0).weight
    assert Tally(("a",), 2, 0).weight < Tally(("a",), 40, 10).weight
    assert len(produced(often, [[[]]] * 11, most=1).more) == 1
