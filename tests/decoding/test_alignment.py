"""Words of an output and the words of the source that they come from."""

import io
from pathlib import Path

import pytest
import torch

from seq2seq.config import Config, ModelConfig, SubwordConfig, TrainingConfig
from seq2seq.corpus.subword import Subword, Vocabularies
from seq2seq.corpus.target_lengths import TargetLengths
from seq2seq.decoding.alignment import most_attended, word_alignments
from seq2seq.decoding.outputs import Link
from seq2seq.decoding.readers import Member
from seq2seq.decoding.scoring import alignments
from seq2seq.decoding.translator import Translator
from seq2seq.device import DeviceSpec
from seq2seq.errors import ConfigError
from seq2seq.filters.translate import OutputFormat, translate_stream
from seq2seq.model.build import build_model

WORDS = ["casa", "casado", "tren", "la", "estación", "de", "es", "grande", "no", "Tom", "está", "zanahoria"]
LINES = [f"{WORDS[row % 12]} {WORDS[row * 5 % 12]}, ¿{WORDS[row * 7 % 12]}?" for row in range(120)]
VOCABULARY = Subword.train(LINES, SubwordConfig(type="unigram"), vocab_size=300)
TEXTS = ["la casa grande", "casado, ¿tren?", "Tom", "no está la   zanahoria", "xyz 日本 la"]


def make(**settings: object) -> Translator:
    """A small untrained model."""
    network = ModelConfig(
        **({"layers": 1, "hidden_size": 8, "embedding_size": 6, "dropout": 0.0, "attention": "general"} | settings)
    )
    config = Config(model=network, training=TrainingConfig(max_updates=1))
    model = build_model(network, len(VOCABULARY), len(VOCABULARY)).eval()
    member = Member(model, Vocabularies(VOCABULARY, VOCABULARY), config, TargetLengths(((1, 12),)))
    return Translator([member], DeviceSpec.pick("cpu", "fp32"))


@pytest.mark.parametrize("kind", ["unigram", "bpe", "char", "word"])
def test_words_are_what_stands_between_spaces(kind: str) -> None:
    vocabulary = Subword.train(LINES, SubwordConfig(type=kind), vocab_size=40 if kind == "word" else 300)
    # An unknown word does not say whether it stands after a space, and 日 and 本 are words of their own.
    for text in TEXTS if kind != "word" else [*TEXTS[:-1], "xyz la"]:
        ids = vocabulary.encode(text)
        numbers = vocabulary.word_numbers(ids)
        assert numbers == sorted(numbers)
        assert set(numbers) == set(range(len(text.split())))
        for word, expected in enumerate(vocabulary.decode(ids).split()):
            own = [one for one, number in zip(ids, numbers, strict=True) if number == word]
            assert vocabulary.decode(own).strip() == expected


def test_bare_spaces_begin_no_word_of_their_own() -> None:
    vocabulary = Subword.train(LINES, SubwordConfig(type="char"), vocab_size=300)
    space, letter = vocabulary.encode("a")
    assert vocabulary.word_numbers([space, space, letter, letter, space, letter, space, space]) == [
        0, 0, 0, 0, 0, 1, 1, 1,
    ]  # fmt: skip


def test_each_word_is_linked_to_the_source_word_with_the_largest_sum() -> None:
    # The two halves of source word 1 outweigh the single largest weight, on word 0; end marks do not count.
    weights = torch.tensor([[0.4, 0.3, 0.3, 0.0], [0.1, 0.0, 0.0, 0.9], [0.0, 0.0, 0.0, 1.0]])
    assert most_attended(weights, [0, 1, 1], [0, 1]) == (Link(1, 0), Link(0, 1))
    assert str(Link(1, 0)) == "1-0"


@pytest.mark.parametrize("reverse", [True, False])
def test_links_are_those_of_the_attention_in_the_order_of_the_text(reverse: bool) -> None:
    translator = make(reverse_source=reverse)
    sources, outputs = LINES[:7], LINES[7:14]
    vocabulary = translator.vocabularies.tgt
    ids = [vocabulary.encode(output) for output in outputs]
    found = word_alignments(translator, sources, ids)
    for source, output, one in zip(sources, ids, found, strict=True):
        (weights,) = alignments(translator, [source], [output])
        src_words, tgt_words = vocabulary.word_numbers(vocabulary.encode(source)), vocabulary.word_numbers(output)
        sums: dict[tuple[int, int], float] = {}
        for row, tgt in enumerate(tgt_words):
            for column, src in enumerate(src_words):
                sums[src, tgt] = sums.get((src, tgt), 0.0) + float(weights[row, column])
        for link in one:
            assert sums[link.src, link.tgt] >= max(value for (_, tgt), value in sums.items() if tgt == link.tgt) - 1e-6
        assert [link.tgt for link in one] == list(range(max(tgt_words) + 1))


def test_the_filter_ends_lines_with_links() -> None:
    translator, target = make(), io.BytesIO()
    source = io.BytesIO("la casa\n\nTom no está\n".encode())
    options = translator.config.decoding
    translate_stream([translator], source, target, OutputFormat(options=options, alignments=True))
    outputs = translator.translate(["la casa", "", "Tom no está"], alignments=True)
    lines = target.getvalue().decode().split("\n")[:-1]
    assert lines == [f"{one.text} ||| {' '.join(map(str, one.alignment))}" for one in outputs]
    assert lines[1] == " ||| "


def test_a_model_that_joins_tokens_cannot_be_aligned(digits_run: Path) -> None:
    with pytest.raises(ConfigError, match="this needs attention"):
        word_alignments(Translator.load(digits_run, device="cpu"), ["1"], [[5]])
    translator = make(encoder="convolutional")
    with pytest.raises(ConfigError, match="alignments need attention to single tokens"):
        word_alignments(translator, ["la"], [[5]])


def test_nothing_is_answered_before_a_model_is_found_unfit(digits_run: Path) -> None:
    translator, target = Translator.load(digits_run, device="cpu"), io.BytesIO()
    output_format = OutputFormat(options=translator.config.decoding, alignments=True)
    with pytest.raises(ConfigError, match="this needs attention"):
        translate_stream([translator], io.BytesIO(b"\n12\n"), target, output_format)
    assert target.getvalue() == b""
