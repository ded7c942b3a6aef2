"""Texts into sentences and back."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seq2seq.serving.splitting import split_text

SNIPPETS = st.sampled_from(["A", "b", " ", "\n", "\r\n", ".", "!", '?"', "。", "Mr.", "\u3000", "\u2028", "…"])


@given(st.lists(SNIPPETS).map("".join) | st.text())
def test_pieces_are_the_text(text: str) -> None:
    pieces = split_text(text)
    assert "".join(piece.sentence + piece.space for piece in pieces) == text
    for number, piece in enumerate(pieces):
        assert piece.sentence == piece.sentence.strip()
        assert not piece.space.strip()
        assert piece.sentence or number == 0
        assert not set("\n\r\u2028") & set(piece.sentence)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Hello. How are you?", ["Hello.", "How are you?"]),
        ('"Stop!" he said. "Why?" Nobody knew.', ['"Stop!" he said.', '"Why?"', "Nobody knew."]),
        ("Mr. Smith met J. R. Brown. They left.", ["Mr. Smith met J. R. Brown.", "They left."]),
        ("It costs 3.50 euros. OK", ["It costs 3.50 euros.", "OK"]),
        ("one\ntwo", ["one", "two"]),
        ("你好。我很好！再见", ["你好。", "我很好！", "再见"]),
        ("Wait ... no", ["Wait ... no"]),
        ("", []),
    ],
)
def test_where_sentences_end(text: str, sentences: list[str]) -> None:
    assert [piece.sentence for piece in split_text(text)] == sentences


@pytest.mark.parametrize("unit", [". ", "a. B", "。", " ", ".", "A.", "\n"])
def test_no_text_takes_long(unit: str) -> None:
    """Quadratic time would be minutes."""
    started = time.process_time()
    split_text(unit * (100_000 // len(unit)))
    assert time.process_time() - started < 3
