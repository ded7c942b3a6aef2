"""Placeholders: what is protected comes back as it was, whatever it is; symbols are never split."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seq2seq.config import Config, SubwordConfig
from seq2seq.corpus.normalise import normalise
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.placeholders import Placeholders
from seq2seq.corpus.subword import Subword
from seq2seq.errors import ConfigError

ALL = Placeholders.of(("url", "email", "tag", "number"))
LINES = [f"see <b>{row}</b> at http://a.b/{row} or x@y.org, ⟨name⟩" for row in range(150)]


@given(st.text(alphabet="a1. <b>⟨⟩9/:@") | st.text())
@example("1 2 3 4 5 6 7 8 9 ⟨2⟩")
@example("⟨2⟩ and 2 and <b  x='3'> http://x.y/?a=1&b=2")
def test_a_source_comes_back_letter_by_letter(source: str) -> None:
    protected = ALL.protect(source)
    assert protected.restore(protected.text).split() == source.split()
    assert protected.mask(source) == protected.text


@given(st.text(alphabet="a1. <b>⟨⟩9/:@"), st.text(alphabet="a1. <b>⟨⟩9/:@"))
def test_both_sides_of_a_pair_have_the_same_placeholders(src: str, tgt: str) -> None:
    pair = ALL.protect_pair(Pair(src, tgt))
    symbols = [{symbol for symbol in ALL.symbols if symbol in text} for text in (pair.src, pair.tgt)]
    own = {symbol for symbol in ALL.symbols if symbol in src + tgt}
    assert symbols[0] - own == symbols[1] - own


def test_what_is_protected() -> None:
    text = "See <a href='x'>http://a.b/c?d=1</a>, x.y@z.org: 3.5 and 2024-01-02."
    assert ALL.protect(text).originals == (
        "<a href='x'>",
        "http://a.b/c?d=1",
        "</a>",
        "x.y@z.org",
        "3.5",
        "2024-01-02",
    )
    assert ALL.protect(text).text == "See ⟨1⟩⟨2⟩⟨3⟩, ⟨4⟩: ⟨5⟩ and ⟨6⟩."
    assert Placeholders.of((r"[A-Z]\d+",)).protect("B12 or 7").originals == ("B12",)


def test_only_nine_are_protected_and_one_text_has_one_placeholder() -> None:
    protected = ALL.protect("1 2 1 3 4 5 6 7 8 9 10 11")
    assert protected.text == "⟨1⟩ ⟨2⟩ ⟨1⟩ ⟨3⟩ ⟨4⟩ ⟨5⟩ ⟨6⟩ ⟨7⟩ ⟨8⟩ ⟨9⟩ 10 11"


def test_a_pair_keeps_what_only_one_side_has() -> None:
    assert ALL.protect_pair(Pair("7 of 3.5", "3,5 de 7")) == Pair("⟨1⟩ of 3.5", "3,5 de ⟨1⟩")


def test_a_placeholder_of_nothing_vanishes_and_a_lost_one_is_noticed() -> None:
    protected = ALL.protect("on page 7")
    assert protected.restore("página ⟨3⟩ ⟨1⟩") == "página 7"
    assert protected.is_lost("página", ["página 7"])
    assert not protected.is_lost("página 7", ["página 7"])
    assert not protected.is_lost("página", ["la página"])


def test_nothing_is_protected_by_default() -> None:
    assert Placeholders.of(()).protect("⟨1⟩ 7  8").restore("⟨1⟩ 7  8") == "⟨1⟩ 7  8"


@pytest.mark.parametrize(("kind", "size"), [("unigram", 320), ("bpe", 330), ("char", 400), ("word", 90)])
@given(text=st.text(alphabet="ab <1⟨⟩⟨name⟩"))
@settings(max_examples=50, deadline=None)
def test_a_symbol_is_one_token_wherever_it_stands(kind: str, size: int, text: str) -> None:
    key = (kind, size)
    if key not in _LEARNED:
        config = SubwordConfig(type=kind, symbols=("⟨name⟩",), protect=("number",))
        _LEARNED[key] = Subword.train(LINES, config, vocab_size=size)
    subword = _LEARNED[key]
    whole = normalise(f"{text}⟨name⟩ ⟨3⟩{text}")
    pieces = [piece.removeprefix("￭") for piece in subword.pieces(subword.encode(whole))]
    assert pieces.count("⟨name⟩") == whole.count("⟨name⟩")
    assert pieces.count("⟨3⟩") == whole.count("⟨3⟩")
    if kind != "word":
        assert subword.decode(subword.encode(whole)) == whole


_LEARNED: dict[tuple[str, int], Subword] = {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"symbols": ("a b",)}, "without white space"),
        ({"symbols": ("",)}, "without white space"),
        ({"symbols": ("x", "x")}, "each once"),
        ({"protect": ("(",)}, "regular expression"),
        ({"protect": ("a*",)}, "no length"),
    ],
)
def test_what_cannot_be_protected_is_refused(settings: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Config(subword=SubwordConfig(**settings))


@given(text=st.text())
@example("ℌ İ ΑΣ K")
def test_case_and_form_are_settings(text: str) -> None:
    for config in (SubwordConfig(lowercase=True), SubwordConfig(unicode="nfkc", lowercase=True)):
        once = normalise(text, config)
        assert normalise(once, config) == once
        assert once == normalise(once.lower(), config)
    assert normalise("ＡB²", SubwordConfig(unicode="nfkc", lowercase=True)) == "ab2"
