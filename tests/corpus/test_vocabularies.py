"""Vocabularies learned from a corpus: whatever it is like with ``auto``, and what is said where a size does not fit."""

from collections import Counter
from pathlib import Path

import pytest

from seq2seq.config import Config, DataConfig, ModelConfig, SubwordConfig
from seq2seq.corpus.dedup import Gathered, gather
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.subword import UNK, Vocabularies
from seq2seq.corpus.vocabularies import fitted, learn_vocabularies
from seq2seq.errors import ConfigError

WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
PAIRS = [Pair(f"{a} {b}", f"{b}-{a}") for a in WORDS for b in WORDS]


def gathered(pairs: list[Pair], folder: Path) -> Gathered:
    return gather(pairs, folder / "text", drop_duplicates=False, dropped=Counter())


def learned(pairs: list[Pair], folder: Path, data: DataConfig | None = None, **subword: object) -> Vocabularies:
    settings = SubwordConfig(**subword)
    config = Config(
        data=data or DataConfig(),
        subword=settings,
        model=ModelConfig(tie_embeddings="all" if settings.joint else "target"),
    )
    training = gathered(pairs, folder)
    return learn_vocabularies(config, fitted(config, training), training)


KINDS = ["auto", "unigram", "bpe", "char", "word"]


@pytest.mark.parametrize("joint", [True, False])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [2, 100])
def test_auto_fits_every_kind_of_vocabulary_to_a_corpus_however_small(
    kind: str, joint: bool, count: int, tmp_path: Path
) -> None:
    found = learned(PAIRS[:count], tmp_path, type=kind, joint=joint, byte_fallback=kind != "word")
    assert found.joint == joint
    for pair in PAIRS[:count]:
        assert found.src.decode(found.src.encode(pair.src)) == pair.src
        assert UNK not in found.tgt.encode(pair.tgt)


def test_long_texts_teach_too(tmp_path: Path) -> None:
    """sentencepiece leaves out texts of over 4,192 bytes unless it is told otherwise."""
    document = "extraordinary circumstances " * 200
    pairs = [Pair("a b c", "x"), Pair(document, "label")] * 3
    found = learned(pairs, tmp_path, type="unigram", joint=False, byte_fallback=False)
    assert len(document) > 4192
    assert UNK not in found.src.encode(document)


TOO_BIG = {
    "source": (400, 300, r"subword\.vocab_size \(source\) = 400"),
    "target": (262, 400, r"subword\.tgt_vocab_size"),
}


@pytest.mark.parametrize("side", TOO_BIG)
def test_a_size_that_does_not_fit_names_its_side_its_setting_and_one_that_works(side: str, tmp_path: Path) -> None:
    pairs = [Pair("a", "b")] * 200
    src, tgt, named = TOO_BIG[side]
    with pytest.raises(ConfigError, match=f"{named}.* is too big .* at most") as caught:
        learned(pairs, tmp_path, type="unigram", joint=False, vocab_size=src, tgt_vocab_size=tgt)
    size = int(str(caught.value).partition("at most ")[2].partition(",")[0])
    assert size < 300
    learned(pairs, tmp_path, type="unigram", joint=False, vocab_size=size, tgt_vocab_size=size)
    with pytest.raises(ConfigError, match=r"subword\.vocab_size \(source\) = 100 is too small .* more than \d+"):
        learned(pairs, tmp_path, type="unigram", joint=False, vocab_size=100)
    with pytest.raises(ConfigError, match=r"subword\.vocab_size \(source\) = 100 is too small .* set it higher"):
        learned(pairs, tmp_path, type="char", joint=False, vocab_size=100)
