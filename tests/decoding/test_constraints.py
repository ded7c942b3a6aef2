"""Constraints on outputs, lengths and lists, on tiny untrained models of words and of subwords."""

import io
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.config import Config, DecodingConfig, ModelConfig, SubwordConfig, TrainingConfig
from seq2seq.config.decoding import decoding_faults
from seq2seq.corpus.subword import UNK, Subword, Vocabularies
from seq2seq.corpus.target_lengths import TargetLengths
from seq2seq.decoding.constraints import Constraints
from seq2seq.decoding.lengths import limits
from seq2seq.decoding.outputs import Translation
from seq2seq.decoding.predictor import Predictor
from seq2seq.decoding.readers import Member
from seq2seq.decoding.token_constraints import TokenConstraints
from seq2seq.decoding.translator import Translator
from seq2seq.device import DeviceSpec
from seq2seq.errors import ConfigError
from seq2seq.filters.translate import ConstraintFiles, OutputFormat, translate_stream
from seq2seq.model.build import build_model
from seq2seq.search.rules import Position

WORDS = ["casa", "casado", "tren", "la", "estación", "de", "es", "grande", "no", "Tom", "está", "zanahoria"]
LINES = [f"{WORDS[row % 12]} {WORDS[row * 5 % 12]}, ¿{WORDS[row * 7 % 12]}?" for row in range(120)]
LENGTHS = TargetLengths(((2, 14), (5, 20), (10, 30)))
VOCABULARIES = {
    "word": Subword.train(LINES, SubwordConfig(type="word"), vocab_size=40),
    "unigram": Subword.train(LINES, SubwordConfig(type="unigram"), vocab_size=300),
}


def make(kind: str, *seeds: int) -> Translator:
    """A translator around small untrained float64 models, one for each seed."""
    config = Config(
        subword=SubwordConfig(type=kind),
        training=TrainingConfig(max_updates=1),
        model=ModelConfig(layers=1, hidden_size=8, embedding_size=6, dropout=0.0, attention="general"),
    )
    vocabulary, members = VOCABULARIES[kind], []
    for seed in seeds or (1,):
        torch.manual_seed(seed)
        model = build_model(config.model, len(vocabulary), len(vocabulary)).double().eval()
        with torch.no_grad():
            model.decoder.output.bias.normal_()  # so that outputs are neither all alike nor all long
            model.decoder.output.bias[3] += 2
        members.append(Member(model, Vocabularies(vocabulary, vocabulary), config, LENGTHS))
    return Translator(members, DeviceSpec.pick("cpu", "fp32"))


def texts(predictor: Predictor, found: Sequence[Sequence[Translation]]) -> list[list[str]]:
    return [[output.text for output in outputs] for outputs in found]


@pytest.mark.parametrize("kind", VOCABULARIES)
def test_a_beginning_may_make_another_word_of_what_is_required(kind: str) -> None:
    constraints = Constraints(prefixes=["casado"], required=[["casa"]])
    output = make(kind).translate(["la casa"], DecodingConfig(beam=3), constraints)[0]
    assert output.text.startswith("casado")
    assert constraints.unmet(0, output.text) == []


@pytest.mark.parametrize("options", [{}, {"sample": True}, {"no_repeat_ngram": 1}], ids=str)
def test_what_the_vocabulary_cannot_write_is_reported_and_all_else_goes_on(options: dict[str, object]) -> None:
    constraints = Constraints(
        prefixes=["la la Zanzibar"], required=() if "sample" in options else [["Zanzibar", "tren"]]
    )
    output = make("word").translate(["la casa"], DecodingConfig(**options), constraints)[0]
    faults = ["it does not begin with 'la la Zanzibar'"]
    assert output.text.startswith("la la")
    assert constraints.unmet(0, output.text)[-1:] == faults
    if constraints.required:
        assert "tren" in output.text.split()
        assert len(output.ids) < 14  # it did not look for the impossible until there was no more room


@pytest.mark.parametrize(
    "fault", [{"blocked": [""]}, {"blocked": ["a", " \ufeff"]}, {"required": [["a", ""]]}], ids=str
)
def test_empty_phrases_are_refused(fault: dict[str, list[str]]) -> None:
    with pytest.raises(ConfigError, match="phrase is empty"):
        Constraints(**fault)


def test_what_is_required_cannot_be_blocked() -> None:
    with pytest.raises(ConfigError, match="'la casa' is required and 'casa' is blocked"):
        Constraints(required=[["tren"], ["la casa"]], blocked=["casa"])
    Constraints(required=[["casado"]], blocked=["casa"])


@pytest.mark.parametrize("phrase", ["a", "do", "o", "casa", "de"])
def test_blocking_a_word_leaves_the_others_alone(phrase: str) -> None:
    translator = make("unigram", 3)
    for forced in ("zanahoria", "casado", "no"):
        # The best output that begins with a word is the same when only a part of that word is blocked.
        options, prefix = DecodingConfig(beam=2, max_length=8), Constraints(prefixes=[forced])
        ids = VOCABULARIES["unigram"].encode(forced)
        plain = translator.translate(["la casa"], options, prefix)[0]
        blocked = translator.translate(["la casa"], options, Constraints(prefixes=[forced], blocked=[phrase]))[0]
        assert blocked.ids[: len(ids)] == tuple(ids)
        if phrase == "o":  # no output of this model says it by itself
            assert blocked.text == plain.text


def test_a_phrase_is_blocked_where_a_word_begins_and_nowhere_else() -> None:
    subword = VOCABULARIES["unigram"]
    spelled = TokenConstraints.of(Constraints(blocked=["a"]), subword, torch.device("cpu"))
    bare, comma, letter = (subword.model and subword._processor.piece_to_id(piece) for piece in ("a", ",", "n"))
    assert (bare,) in spelled.blocked
    rules = make("unigram")._rules(["casa"], DecodingConfig(max_length=2), spelled)
    for before, allowed in ((comma, False), (letter, True)):
        # One token is left: "a" could not go on.
        row, last = torch.tensor([0]), torch.tensor([before])
        position = Position(row, last, torch.tensor(1), last.unsqueeze(1))
        scores = rules.apply(torch.zeros(1, len(subword)), position, free=True)
        assert (float(scores.log_probs[0, bare]) == 0.0) == allowed


def test_fulfilled_outputs_come_first() -> None:
    good, bad = (Translation(text, score, (), ()) for text, score in (("la casa", -9.0), ("casado", -1.0)))
    assert Constraints(required=[["casa"]]).satisfied_first([[bad, good]]) == [[good, bad]]
    assert Constraints().satisfied_first([[bad, good]]) == [[bad, good]]


def test_overlapping_requirements_are_said_once() -> None:
    constraints = Constraints(required=[["la estación", "la estación de tren", "tren", "tren", "no"]])
    required = TokenConstraints.of(constraints, VOCABULARIES["word"], torch.device("cpu")).required[0]
    assert [VOCABULARIES["word"].decode(phrase) for phrase in required] == ["la estación de tren", "no"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, (0, 30)),
        ({"min_length": 50}, (50, 50)),
        ({"max_length": 3, "min_ratio": 2.0}, (3, 3)),
        ({"max_ratio": 0.5, "min_length": 20}, (5, 5)),
        ({"max_ratio": 0.55, "max_length": 4}, (0, 4)),
        ({"max_ratio": 20.0}, (0, 200)),
        ({"min_ratio": 0.45, "max_ratio": 1.5}, (5, 15)),
        ({"min_ratio": 4.0, "max_ratio": 5.0}, (40, 50)),
    ],
)
def test_a_maximum_goes_before_a_minimum(options: dict[str, float], expected: tuple[int, int]) -> None:
    assert limits(10, DecodingConfig(**options), LENGTHS) == expected


def test_ratios_bound_outputs() -> None:
    translator, source = make("word", 2), "la casa es grande"
    for options in (DecodingConfig(min_ratio=2.0), DecodingConfig(max_ratio=0.5), DecodingConfig(max_length=3)):
        least, most = limits(4, options, LENGTHS)
        for output in translator.nbest([source], 5, options)[0]:
            assert least <= len(output.ids) <= most
    assert limits(4, DecodingConfig(min_ratio=2.0), LENGTHS)[0] == 8
    assert limits(4, DecodingConfig(max_ratio=0.5), LENGTHS)[1] == 2


def test_demands_go_before_a_maximum(capsys: pytest.CaptureFixture[str]) -> None:
    constraints = Constraints(prefixes=["la casa", "la casa"], required=[["no es", "grande"], ["casa"]])
    translator, options = make("word"), DecodingConfig(max_length=2)
    outputs = translator.translate(["tren", "tren"], options, constraints)
    assert [constraints.unmet(row, output.text) for row, output in enumerate(outputs)] == [[], []]
    assert [len(output.ids) for output in outputs] == [5, 2]
    translator.translate(["tren"], options, constraints.of([0]))
    assert capsys.readouterr().err.count("constraints need longer outputs") <= 1


def test_words_that_are_drawn_without_a_space_between_stay_what_they_are() -> None:
    found = make("word").nbest(LINES[:6], 20, DecodingConfig(sample=True, temperature=3.0))
    for output in (output for outputs in found for output in outputs):
        assert "\uffed" not in output.text
        assert UNK not in output.ids


@pytest.mark.parametrize("replace_unknown", [True, False])
def test_unknown_words_are_said_only_where_they_are_replaced(replace_unknown: bool) -> None:
    translator = make("word")
    with torch.no_grad():
        translator.model.decoder.output.bias[UNK] += 30
    output = translator.translate(["la casa"], DecodingConfig(replace_unknown=replace_unknown, max_length=3))[0]
    assert (UNK in output.ids) == replace_unknown
    assert "<unk>" not in output.text


def test_empty_means_no_tokens() -> None:
    translator = make("unigram")
    assert [translator.is_empty(source) for source in ("", " \u2003", "\ufeff", "a")] == [True, True, True, False]


def answer(constraint_files: ConstraintFiles, **options: object) -> bytes:
    target = io.BytesIO()
    output_format = OutputFormat(options=DecodingConfig(**options), nbest=3)
    translate_stream([make("word")], io.BytesIO(b"la casa\n\xef\xbb\xbf\n"), target, output_format, constraint_files)
    return target.getvalue()


def test_each_output_of_a_list_is_held_to_its_demands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r").write_text("Zanzibar\nZanzibar\n")
    lines = answer(ConstraintFiles(required=tmp_path / "r")).splitlines()
    assert [line[:1] for line in lines] == [b"0", b"0", b"0", b"1"]
    said = capsys.readouterr().err
    assert [f"output 1, number {place} of its list: 'Zanzibar' is missing" in said for place in (1, 2, 3)] == [True] * 3
    assert "output 2" not in said


def test_required_words_and_drawing_are_refused_before_any_output(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("\n\n")
    with pytest.raises(ConfigError, match="plain beam"):
        answer(ConstraintFiles(required=tmp_path / "r"), sample=True)


OPTIONS = st.builds(
    DecodingConfig,
    beam=st.sampled_from([1, 2, 4]),
    max_length=st.sampled_from([0, 3, 8]),
    min_length=st.sampled_from([0, 0, 3]),
    no_repeat_ngram=st.sampled_from([0, 0, 1, 2]),
    diverse_groups=st.sampled_from([1, 1, 2]),
    sample=st.booleans(),
    min_ratio=st.sampled_from([0, 0, 1.0]),
    max_ratio=st.sampled_from([0, 0, 1.5]),
    mbr=st.sampled_from([0, 0, 2]),
).filter(lambda options: not list(decoding_faults(options)))
PHRASES = st.sampled_from(["", *WORDS, "la casa", "Zanzibar", "¿tren?"])


@given(
    kind=st.sampled_from(sorted(VOCABULARIES)),
    seed=st.integers(0, 3),
    options=OPTIONS,
    prefixes=st.lists(PHRASES, min_size=3, max_size=3),
    required=st.lists(st.lists(PHRASES.filter(bool), max_size=2), min_size=3, max_size=3),
    blocked=st.lists(PHRASES.filter(bool), max_size=2),
)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_laws_of_all_options_together(
    kind: str,
    seed: int,
    options: DecodingConfig,
    prefixes: list[str],
    required: list[list[str]],
    blocked: list[str],
) -> None:
    if options.sample or options.diverse_groups > 1:
        required = []
    try:
        constraints = Constraints(prefixes=prefixes, required=required, blocked=blocked)
    except ConfigError:
        constraints = Constraints(prefixes=prefixes, required=required)
    translator, sources = make(kind, seed), ["la casa es grande", "", "no"]
    found = translator.nbest(sources, 2, options, constraints)
    best = translator.best(sources, options, constraints)
    # Company and order do not matter.
    backwards = translator.best(sources[::-1], replace(options, batch_tokens=1), constraints.of([2, 1, 0]))[::-1]
    assert [one.text for one in backwards] == [one.text for one in best]
    spelled = TokenConstraints.of(constraints, translator.vocabularies.tgt, torch.device("cpu"))
    for row, outputs in enumerate(found):
        assert len({one.text for one in outputs}) == len(outputs) > 0
        assert all(min(one.ids, default=9) > 3 for one in outputs)
        unmet = [len(constraints.unmet(row, one.text)) for one in outputs]
        order = [(count, -one.score) for count, one in zip(unmet, outputs, strict=True)]
        assert order == sorted(order)
        if not sources[row]:
            assert best[row].text == ""
            continue
        assert best[row].ids[: len(spelled.prefixes[row])] == tuple(spelled.prefixes[row])
        least, most = limits(len(translator.vocabularies.src.encode(sources[row])), options, LENGTHS)
        assert len(best[row].ids) <= max(most, spelled.needed(row))
        if not (options.no_repeat_ngram or blocked):
            assert len(best[row].ids) >= least
        assert math.isfinite(best[row].log_prob)


@pytest.mark.parametrize(
    ("options", "constraints", "kinds"),
    [
        ({}, None, {"Banned"}),
        ({}, Constraints(prefixes=["la"]), {"Banned"}),
        ({"no_repeat_ngram": 2}, None, {"Banned", "NoRepeatNgram"}),
        ({"min_length": 2}, None, {"Banned", "MinLength"}),
        ({"min_ratio": 0.5}, Constraints(blocked=["la"]), {"Banned", "MinLength", "BlockedPhrases"}),
    ],
)
def test_no_rule_is_there_that_does_nothing(
    options: dict[str, object], constraints: Constraints | None, kinds: set[str]
) -> None:
    for kind, always in (("unigram", set()), ("word", {"Bigrams"})):
        tokens = TokenConstraints.of(constraints, VOCABULARIES[kind], torch.device("cpu")) if constraints else None
        rules = make(kind)._rules(["la casa"], DecodingConfig(**options), tokens)
        assert {type(strike).__name__ for strike in rules.strikes} == kinds | always
        assert (rules.prefix is not None) == bool(constraints and constraints.prefixes)
