"""Constraints in scripts without spaces and with marks, placeholders and case, on tiny untrained models."""

import io
from collections.abc import Callable

import pytest
import torch

from seq2seq.config import Config, DecodingConfig, ModelConfig, SubwordConfig, TrainingConfig
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.subword import Subword, Vocabularies
from seq2seq.corpus.target_lengths import TargetLengths
from seq2seq.decoding.constraints import Constraints, contains
from seq2seq.decoding.questions import Questions
from seq2seq.decoding.readers import Member
from seq2seq.decoding.scoring import as_read, log_probs
from seq2seq.decoding.token_constraints import TokenConstraints
from seq2seq.decoding.translator import Translator
from seq2seq.device import DeviceSpec
from seq2seq.filters.translate import OutputFormat, translate_stream
from seq2seq.model.build import build_model

ANIMALS = "猫狗鸟鱼"
HAN = [f"我的{ANIMALS[row % 4]}{'大小好'[row % 3]}，他的{ANIMALS[row // 4 % 4]}不" for row in range(120)]
HINDI = [f"{['नमस्ते', 'दुनिया', 'मेरा', 'घर', 'नमस'][row % 5]} {['घर', 'में', 'है'][row % 3]}" for row in range(120)]
SPANISH = [f"la {row} casa de {row * 7} y <b>" for row in range(120)]


@pytest.fixture
def make() -> Callable[..., Translator]:
    """A translator around a small untrained float64 model that has learned the pieces of some lines."""

    def made(lines: list[str], size: int, seed: int = 1, **settings: object) -> Translator:
        config = Config(
            subword=SubwordConfig(**({"type": "unigram"} | settings)),
            training=TrainingConfig(max_updates=1),
            model=ModelConfig(layers=1, hidden_size=8, embedding_size=6, dropout=0.0),
        )
        subword = Subword.train(lines, config.subword, vocab_size=size)
        torch.manual_seed(seed)
        model = build_model(config.model, len(subword), len(subword)).double().eval()
        with torch.no_grad():
            model.decoder.output.bias.normal_()
            model.decoder.output.bias[3] += 1
        member = Member(model, Vocabularies(subword, subword), config, TargetLengths(((3, 9), (30, 20))))
        return Translator([member], DeviceSpec.pick("cpu", "fp32"))

    return made


@pytest.mark.parametrize("kind", ["bpe", "word"])
@pytest.mark.parametrize("seed", range(4))
def test_phrases_in_text_without_spaces(make: Callable[..., Translator], kind: str, seed: int) -> None:
    translator = make(HAN, 300 if kind == "bpe" else 40, seed, type=kind)
    required = Constraints(required=[["猫", "他的"]])
    for output in translator.nbest(["我的狗"], 3, DecodingConfig(beam=6, max_length=12), required):
        assert not required.unmet(0, output[0].text)
        assert " 猫" not in output[0].text
    blocked = Constraints(blocked=["猫", "狗"])
    if kind == "bpe":  # whose pieces run over several words
        tgt = translator.vocabularies.tgt
        inside = [
            token for token, piece in enumerate(tgt.pieces(range(len(tgt)))) if len(piece) > 1 and "猫" in piece[1:]
        ]
        banned = TokenConstraints.of(blocked, tgt, torch.device("cpu")).banned
        assert len(inside) > 1
        assert set(inside) <= {*banned, tgt.encode("猫")[0]}
    for output in translator.nbest(["我的狗"], 6, DecodingConfig(beam=6, max_length=12), blocked)[0]:
        assert "猫" not in output.text
        assert "狗" not in output.text


@pytest.mark.parametrize("seed", range(4))
def test_a_blocked_word_with_marks_blocks_no_longer_one(make: Callable[..., Translator], seed: int) -> None:
    translator = make(HINDI, 280, seed)
    constraints = Constraints(blocked=["नमस"])
    for output in translator.nbest(["घर"], 6, DecodingConfig(beam=6, max_length=9), constraints)[0]:
        assert not contains(output.text, "नमस")
    marked = translator.vocabularies.tgt
    starts = dict(zip(marked.pieces(range(len(marked))), marked.word_start(), strict=True))
    assert not any(start for piece, start in starts.items() if piece[0] in "्ेाि")


def test_protected_texts_come_out_as_they_went_in(make: Callable[..., Translator]) -> None:
    """A model that always writes placeholder 1, whatever the source."""
    translator = make(SPANISH, 320, protect=("number", "url"))
    symbol = translator.vocabularies.tgt.encode("⟨1⟩")[-1]
    with torch.no_grad():
        translator.model.decoder.output.bias[symbol] += 50
    options = DecodingConfig(beam=1, max_length=2)
    texts = [output.text for output in translator.translate(["casa 12", "http://a.b/C?d=É y 3", "casa"], options)]
    assert texts == ["1212", "http://a.b/C?d=É" * 2, ""]


def test_scores_are_those_of_what_the_model_reads(make: Callable[..., Translator]) -> None:
    translator = make(SPANISH, 320, protect=("number",))
    options = DecodingConfig(beam=4, max_length=6)
    for outputs in translator.nbest(["la 12 casa 7", "casa"], 4, options):
        for output in outputs:
            assert "⟨" not in output.text
    tgt = translator.vocabularies.tgt
    read = as_read(translator, Pair("la 12 casa", "casa 12"))
    assert read == Pair("la ⟨1⟩ casa", "casa ⟨1⟩")
    again = as_read(translator, Pair("la 5 casa", "casa 5"))
    assert log_probs(translator, [read.src], [tgt.encode(read.tgt)]) == log_probs(
        translator, [again.src], [tgt.encode(again.tgt)]
    )


def test_required_texts_may_be_protected_ones(make: Callable[..., Translator]) -> None:
    translator = make(SPANISH, 320, protect=("number",))
    constraints = Constraints(prefixes=["casa 12"], required=[["12 casa"]])
    output = translator.translate(["la 12 casa"], DecodingConfig(beam=6, max_length=9), constraints)[0]
    assert not constraints.unmet(0, output.text)
    read = Questions.of(["la 12 casa"], constraints, translator.config.subword).constraints
    assert (read.prefixes, read.required) == (["casa ⟨1⟩"], [["⟨1⟩ casa"]])


def test_constraints_are_met_in_the_case_of_the_model(make: Callable[..., Translator]) -> None:
    translator = make(SPANISH, 320, lowercase=True)
    constraints = Constraints(required=[["CASA"]])
    output = translator.translate(["LA"], DecodingConfig(beam=6, max_length=9), constraints)[0]
    assert constraints.unmet(0, output.text) == ["'CASA' is missing"]
    assert not constraints.normalised(translator.config.subword).unmet(0, output.text)
    assert translator.translate(["La Casa"])[0] == translator.translate(["la casa"])[0]


def test_outputs_that_reach_the_limit_are_marked_and_counted(
    make: Callable[..., Translator], capsys: pytest.CaptureFixture[str]
) -> None:
    translator = make(SPANISH, 320)
    with torch.no_grad():
        translator.model.decoder.output.bias[3] -= 99  # it never ends by itself
    short, long = translator.translate(["la", "la casa de la casa"], DecodingConfig(beam=2))
    assert (len(short.ids), short.cut, len(long.ids), long.cut) == (9, True, 20, True)
    assert len(translator.translate(["la"], DecodingConfig(beam=2, max_ratio=30.0))[0].ids) > 9
    source, target = io.BytesIO(b"la\n\nla casa\n"), io.BytesIO()
    translate_stream([translator], source, target, OutputFormat(options=DecodingConfig(beam=1)))
    assert "2 outputs are as long as outputs may be" in capsys.readouterr().err
    with torch.no_grad():
        translator.model.decoder.output.bias[3] += 199  # it ends at once
    assert not translator.translate(["la"])[0].cut
    translate_stream([translator], io.BytesIO(b"la\n"), target, OutputFormat(options=DecodingConfig(beam=1)))
    assert capsys.readouterr().err == ""
