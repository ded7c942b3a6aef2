"""Faults of outputs: each is found where it is, and not where a reference has it too."""

from hypothesis import given
from hypothesis import strategies as st

from seq2seq.evaluation.health import Health, health, loops


def test_each_fault_is_found_by_its_number() -> None:
    outputs = ["fine words here", "", "the the the end", "un mot", "<unk> word", "good ⁇ bye", " "]
    references = [["good words here"], ["text"], ["the end"], ["one word"], ["a word"], ["bye"], ["more", "text"]]
    sources = ["des mots", "texte", "la fin", "un mot", "mot", "adieu", "plus"]
    found = health(outputs, references, sources, str.split)
    assert found == Health(outputs=7, length_ratio=14 / 12, empty=[1, 6], unknown=[4, 5], looping=[2], copied=[3])
    assert health(outputs, references, None, str.split).copied is None


@given(st.lists(st.sampled_from(["", " ", "a", "no no no", "<unk>", "b c"]), min_size=1, max_size=8))
def test_references_have_no_faults(texts: list[str]) -> None:
    found = health(texts, [[text] for text in texts], texts, str.split)
    assert found == Health(len(texts), 1.0 if any(map(str.split, texts)) else 0.0, [], [], [], [])


def test_the_reference_nearest_in_length_counts() -> None:
    assert health(["a b c"], [["a", "a b", "a b c d e"]], None, str.split).length_ratio == 3 / 2


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=8), st.lists(st.sampled_from("xyz")), st.integers(0, 2))
def test_three_times_in_a_row_is_a_loop(phrase: list[str], before: list[str], after: int) -> None:
    assert loops([*before, *phrase * 3, *phrase[:after]])


def test_what_is_no_loop() -> None:
    assert not loops(["a", "b", "a", "b", "a"])
    assert not loops(["a", "x", "a", "y", "a", "z"])
    assert not loops(["wait", ".", ".", ".", "."])
    assert not loops([])
    assert loops(["wait", ".", ".", ".", "no", "no", "no"])
