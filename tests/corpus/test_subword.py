"""Subwords: any text comes back, models are reproducible, errors say what to change."""

import random
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from seq2seq.config import SubwordConfig
from seq2seq.corpus.normalise import normalise
from seq2seq.corpus.subword import BOS, EOS, PAD, UNK, Subword, Vocabularies, seed_sampling
from seq2seq.corpus.words import WordSplitter, join_words
from seq2seq.errors import ConfigError, RunError

WORDS = ["the", "cat", "sat", "on", "a", "mat", "with", "my", "old", "hat", "and", "ran", "to", "Rome"]
SENTENCES = [" ".join(random.Random(row).choices(WORDS, k=7)) + "." for row in range(400)]
KINDS = {
    kind: Subword.train(SENTENCES, SubwordConfig(type=kind), vocab_size=size)
    for kind, size in {"unigram": 290, "bpe": 290, "char": 400, "word": 400}.items()
}
MARKED = Subword.train(["a, b,c (d_2)", "'2-a' c.b…d"], SubwordConfig(type="word"), vocab_size=40)


@pytest.mark.parametrize("kind", ["unigram", "bpe", "char"])
@given(text=st.text())
@settings(max_examples=300, deadline=None)
def test_any_text_survives(kind: str, text: str) -> None:
    assert KINDS[kind].decode(KINDS[kind].encode(text)) == normalise(text)


@given(text=st.text())
@settings(deadline=None)
def test_normalising_twice_is_normalising_once(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@given(text=st.text().filter(lambda text: not {"\u2581", "\ufeff"} & set(text)))
@example("1º de mayo … ﬁn ² ｆ ① ½")  # NFKC would write other characters
@example("e\u0301 \u212b")
@settings(deadline=None)
def test_text_is_composed_canonically_and_nothing_else_of_it_changes(text: str) -> None:
    normalised = normalise(text)
    assert unicodedata.is_normalized("NFC", normalised)
    assert unicodedata.normalize("NFD", normalised).split() == unicodedata.normalize("NFD", text).split()
    assert normalised == " ".join(normalised.split())


def test_reserved_characters_are_replaced() -> None:
    assert normalise("\ufeffa\u2581b\ufeff") == "a_b"


@given(text=st.text().filter(lambda text: "\uffed" not in text))
@settings(max_examples=300, deadline=None)
def test_words_join_to_the_text_they_came_from(text: str) -> None:
    assert join_words(WordSplitter().split(normalise(text))) == normalise(text)


def test_a_joiner_with_nothing_before_it_vanishes() -> None:
    assert join_words(["\uffed,", "cat", "\uffed."]) == ", cat."


def test_known_words_survive_and_each_unknown_one_is_one_unk() -> None:
    words = KINDS["word"]
    assert words.decode(words.encode("the cat sat on my hat.")) == "the cat sat on my hat."
    assert words.encode("the xylophone quartet sat").count(UNK) == 2


@given(ids=st.lists(st.integers(4, len(MARKED) - 1), max_size=8))
@settings(max_examples=300, deadline=None)
def test_words_that_may_stand_side_by_side_are_read_back(ids: list[int]) -> None:
    forbidden_bigrams = MARKED.forbidden_bigrams
    assert forbidden_bigrams is not None
    before = [2, *(forbidden_bigrams.ends_in_letter[word] for word in ids)]
    allowed = not any(forbidden_bigrams.forbidden[last][word] for last, word in zip(before, ids, strict=False))
    assert (MARKED.encode(MARKED.decode(ids)) == ids) == allowed


def test_lone_surrogates_do_not_stop_anything() -> None:
    assert normalise("a\ud800b") == "a?b"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("threads", [1, 3])
def test_many_texts_encode_as_each_by_itself(kind: str, threads: int) -> None:
    texts = [*SENTENCES, "", "Straße 猫 \0", "the xylophone quartet"]
    assert KINDS[kind].encode_all(texts, threads=threads) == [KINDS[kind].encode(text) for text in texts]


def test_words_are_the_most_frequent_of_all_text() -> None:
    few = Subword.train(["a a a b b c"] * 9 + ["d"] * 10, SubwordConfig(type="word", train_sentences=1), vocab_size=7)
    assert few.pieces(range(4, 7)) == ["a", "b", "d"]


def test_words_are_looked_up_as_sentencepiece_does() -> None:
    words = KINDS["word"]
    for word in [*WORDS, "￭.", "cats", "<s>"]:
        assert words._look_up([word]) == words._processor.encode(word)


@pytest.mark.parametrize("kind", KINDS)
def test_text_never_encodes_to_marks(kind: str) -> None:
    ids = KINDS[kind].encode("<s> the </s> <pad> cat")
    assert not {PAD, BOS, EOS} & set(ids)


@pytest.mark.parametrize("kind", KINDS)
def test_training_again_gives_the_same_bytes(kind: str) -> None:
    again = Subword.train(SENTENCES, SubwordConfig(type=kind), vocab_size=len(KINDS[kind]))
    assert again.model == Subword.train(SENTENCES, SubwordConfig(type=kind), vocab_size=len(KINDS[kind])).model


def test_too_big_a_vocabulary_says_how_big_it_may_be() -> None:
    with pytest.raises(ConfigError, match=r"subword\.vocab_size = 50000 is too big .* at most \d+"):
        Subword.train(SENTENCES, SubwordConfig(type="unigram"), vocab_size=50_000)


def test_too_small_a_vocabulary_says_how_big_it_must_be() -> None:
    with pytest.raises(ConfigError, match=r"subword\.vocab_size = 100 is too small .* more than \d+"):
        Subword.train(SENTENCES, SubwordConfig(type="unigram"), vocab_size=100)


def test_no_text_is_said_to_be_no_text() -> None:
    with pytest.raises(ConfigError, match="no text to learn subwords from"):
        Subword.train([], SubwordConfig(type="unigram"), vocab_size=100)


@pytest.mark.parametrize("joint", [True, False])
def test_saved_vocabularies_load(joint: bool, tmp_path) -> None:
    subword = KINDS["unigram"]
    saved = Vocabularies(subword, subword if joint else KINDS["bpe"])
    saved.save(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == ({"subword.joint.model"} if joint else {"subword.src.model", "subword.tgt.model"})
    loaded = Vocabularies.load(tmp_path, SubwordConfig(joint=joint))
    assert loaded.joint == joint
    assert (loaded.src.model, loaded.tgt.model) == (saved.src.model, saved.tgt.model)


def test_missing_and_damaged_models_are_named(tmp_path) -> None:
    with pytest.raises(RunError, match=r"subword\.joint\.model is missing"):
        Vocabularies.load(tmp_path, SubwordConfig())
    (tmp_path / "subword.joint.model").write_bytes(b"nonsense")
    with pytest.raises(RunError, match=r"subword\.joint\.model is not a sentencepiece model"):
        Vocabularies.load(tmp_path, SubwordConfig())


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_resampled_subwords_spell_the_same_text_in_other_ways(kind: str) -> None:
    subword = KINDS[kind]
    text = normalise(SENTENCES[0])
    seed_sampling(7)
    drawn = [subword.resample(subword.encode(text), 0.2) for _ in range(20)]
    assert {subword.decode(ids) for ids in drawn} == {text}
    assert len({tuple(ids) for ids in drawn}) > 5
    seed_sampling(7)
    assert [subword.resample(subword.encode(text), 0.2) for _ in range(20)] == drawn


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_what_cannot_be_written_anew_is_left_as_it_is(kind: str) -> None:
    bare = Subword.train(SENTENCES, SubwordConfig(type=kind, byte_fallback=False), vocab_size=34)
    ids = bare.encode("the 猫 sat")
    assert UNK in ids
    assert bare.resample(ids, 0.3) == ids
    cut = KINDS[kind].encode("猫")[:-1]  # two of its three bytes
    assert KINDS[kind].resample(cut, 0.3) == cut
