"""Searches that onnxruntime runs whole find what a search in torch finds step by step."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from seq2seq.config import ModelConfig
from seq2seq.corpus.batching import collate
from seq2seq.corpus.subword import BOS, EOS, PAD, UNK
from seq2seq.engines.engine import TorchEngine
from seq2seq.engines.onnx_engine import OnnxEngine
from seq2seq.model.build import build_model
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.search.beam import beam_search
from seq2seq.search.hypothesis import Hypothesis
from seq2seq.search.problem import SearchProblem
from seq2seq.search.rules import Banned, MinLength, NoRepeatNgram, Rules, Strike, prefix_table

# One chunk of the vocabulary, exactly one, and several with a rest.
VOCABULARIES = (12, 64, 150)
MODELS = [
    {},
    {"attention": "general"},
    {"cell": "gru", "attention": "additive", "bridge": "mean"},
    {"cell": "rnn", "bridge": "every-step", "layers": 1},
    {"attention": "dot", "input_feeding": True, "bridge": "every-step"},
]


def make(vocab: int, options: dict[str, object]) -> Seq2Seq:
    defaults = {"layers": 2, "hidden_size": 8, "embedding_size": 8, "dropout": 0.0}
    torch.manual_seed(vocab)
    model = build_model(ModelConfig(**(defaults | options)), vocab, vocab).eval()
    for parameter in model.parameters():
        parameter.data += 0.5 * torch.randn_like(parameter)
    return model


ENGINES = {
    (vocab, number): (TorchEngine(model), OnnxEngine(model, int8=False))
    for vocab in VOCABULARIES
    for number, options in enumerate(MODELS)
    for model in [make(vocab, options)]
}


@st.composite
def limits(draw: st.DrawFn) -> Rules:
    """Rules of sentences, the shortest output of which may be longer than the longest."""
    count = draw(st.integers(1, 5))
    lengths = st.lists(st.integers(0, 7), min_size=count, max_size=count)
    strikes: list[Strike] = [Banned(torch.tensor(draw(st.sampled_from([(PAD, BOS), (PAD, UNK, BOS), (5, 7, 11)]))))]
    if draw(st.booleans()):
        strikes.append(MinLength(torch.tensor(draw(lengths)), EOS))
    return Rules(eos=EOS, longest=torch.tensor(draw(lengths)), strikes=strikes)


def problem(engine: TorchEngine | OnnxEngine, rules: Rules, *, whole: bool) -> SearchProblem:
    sources = [[4 + (number + place) % 8 for place in range(1 + number % 3)] for number in range(len(rules.longest))]
    state = engine.encode(collate(sources, reverse=True))
    return SearchProblem(engine.step, state, BOS, rules, whole_search=engine.beam_search if whole else None)


def apart(outputs: list[Hypothesis]) -> set[tuple[int, ...]]:
    """Those that no other is as good as: rounding may change the order of others."""
    bounds = [math.inf, *(one.score for one in outputs), -math.inf]
    gaps = [before - after for before, after in pairwise(bounds)]
    return {one.tokens for one, above, below in zip(outputs, gaps, gaps[1:], strict=False) if min(above, below) > 1e-3}


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(ENGINES)), limits(), st.sampled_from([1, 2, 3, 5, 12, 64]))
def test_the_same_outputs_as_step_by_step(case: tuple[int, int], rules: Rules, width: int) -> None:
    by_torch, by_onnx = ENGINES[case]
    with torch.inference_mode():
        assert by_onnx.beam_search(by_onnx.encode(collate([[4]] * len(rules.longest), reverse=True)), rules, width)
        expected = beam_search(problem(by_torch, rules, whole=False), width=width)
        found = beam_search(problem(by_onnx, rules, whole=True), width=width)
    for ours, theirs in zip(found, expected, strict=True):
        assert [one.score for one in ours] == pytest.approx([one.score for one in theirs], abs=1e-4)
        assert apart(ours) <= {one.tokens for one in theirs}
        assert apart(theirs) <= {one.tokens for one in ours}


@pytest.mark.parametrize(
    ("rules", "width"),
    [
        ({"strikes": [NoRepeatNgram(2)]}, 2),
        ({"strikes": [Banned(torch.tensor([70]))]}, 2),
        ({"prefix": prefix_table([[5]])}, 2),
        ({}, 65),
    ],
    ids=["history", "a token beyond the first chunk", "prefix", "more slots than a chunk has tokens"],
)
def test_what_it_does_not_know_is_left_to_steps(rules: dict[str, object], width: int) -> None:
    engine, all_rules = ENGINES[150, 0][1], Rules(eos=EOS, longest=torch.tensor([3]), **rules)
    with torch.inference_mode():
        state = engine.encode(collate([[4, 5]], reverse=True))
        assert engine.beam_search(state, all_rules, width) is None
        assert engine.beam_search(state, Rules(eos=EOS, longest=torch.tensor([3])), 2) is not None


@pytest.mark.parametrize("width", [1, 3])
def test_outputs_that_are_not_numbers_are_none(width: int) -> None:
    model = make(12, {})
    model.decoder.output.bias.data.fill_(math.nan)
    engine, rules = OnnxEngine(model, int8=False), Rules(eos=EOS, longest=torch.tensor([3, 2]))
    with torch.inference_mode():
        assert beam_search(problem(engine, rules, whole=True), width=width) == [[], []]


def test_eight_bits_find_nearly_the_same() -> None:
    """Rounding moves the best output's log-probability by little, so by chance another may be the best."""
    model = make(150, {"hidden_size": 64, "attention": "general"})
    rules = Rules(eos=EOS, longest=torch.full((6,), 5), strikes=[MinLength(torch.full((6,), 5), EOS)])
    with torch.inference_mode():
        exact, rounded = (
            beam_search(problem(OnnxEngine(model, int8=int8), rules, whole=True), width=4) for int8 in (False, True)
        )
    gaps = [
        abs(one[0].log_prob - two[0].log_prob) / abs(one[0].log_prob) for one, two in zip(exact, rounded, strict=True)
    ]
    assert 0 < max(gaps) < 0.1
