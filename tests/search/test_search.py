"""Search, on a fake model whose every output can be enumerated."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch import Tensor

from seq2seq.config import DecodingConfig
from seq2seq.search.beam import beam_search
from seq2seq.search.constrained import ConstrainedBeam, PhraseProgress, _Extension
from seq2seq.search.greedy import greedy_search
from seq2seq.search.hypothesis import Hypothesis, Ranking, best_tokens
from seq2seq.search.rules import Rules, prefix_table
from seq2seq.search.strategy import SearchInputs, search

BOS, EOS, WORDS = 0, 1, (2, 3, 4)
LONGEST = torch.tensor([5, 8, 1, 6])


@dataclass(frozen=True)
class History:
    """A state that remembers all it was fed, as one number a row."""

    code: Tensor

    def select(self, index: Tensor) -> "History":
        return History(self.code[index])


class FakeModel:
    """Random logits that depend on the sentence and on everything said so far."""

    def __init__(self, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.logits = 2 * torch.randn(997, 5, generator=generator, dtype=torch.float64)

    def step(self, token: Tensor, state: History) -> tuple[Tensor, History]:
        code = (state.code * 7 + token * 3 + 1) % 997
        return self.logits[code], History(code)

    def start(self, count: int) -> History:
        return History(torch.arange(count) * 11)

    def log_prob(self, sentence: int, tokens: tuple[int, ...]) -> float:
        state, total, token = History(torch.tensor([sentence * 11])), 0.0, torch.tensor([BOS])
        for following in (*tokens, EOS):
            logits, state = self.step(token, state)
            total += float(torch.log_softmax(logits, dim=-1)[0, following])
            token = torch.tensor([following])
        return total

    def everything(self, sentence: int, longest: int, alpha: float) -> list[Hypothesis]:
        def outputs() -> Iterator[Hypothesis]:
            for length in range(longest + 1):
                for tokens in product(WORDS, repeat=length):
                    log_prob = self.log_prob(sentence, tokens)
                    yield Hypothesis(tokens, log_prob, log_prob / ((6 + length) / 6) ** alpha)

        return sorted(outputs(), key=lambda hypothesis: -hypothesis.score)


def rules(longest: Tensor, **others: object) -> Rules:
    return Rules(**{"eos": EOS, "longest": longest, "banned": (BOS,), **others})


def task(count: int = 4, **others: object) -> SearchInputs:
    return SearchInputs(**{"bos": BOS, "vocabulary": 5, "seeds": [(7, number) for number in range(count)], **others})


def found(model: FakeModel, longest: Tensor = LONGEST, own: dict[str, object] | None = None, **options: object):
    """Outputs for four sentences."""
    settings, more = DecodingConfig(**options), own or {}
    count = len(longest)
    return search(model.step, model.start(count), rules(longest, **more), settings, task(count, draws=6))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("alpha", [0.0, 0.7, 2.0])
def test_a_wide_beam_is_exhaustive(seed: int, alpha: float) -> None:
    model, longest = FakeModel(seed), torch.tensor([3, 4, 0, 4])
    for sentence, hypotheses in enumerate(found(model, longest, beam=125, length_penalty=alpha)):
        expected = model.everything(sentence, int(longest[sentence]), alpha)
        assert [hypothesis.tokens for hypothesis in hypotheses] == [hypothesis.tokens for hypothesis in expected]
        assert [hypothesis.score for hypothesis in hypotheses] == pytest.approx([one.score for one in expected])


@pytest.mark.parametrize("seed", range(10))
def test_no_narrower_beam_beats_one_that_is_wide_enough(seed: int) -> None:
    model, longest = FakeModel(seed), torch.tensor([3, 4, 0, 4])
    best = [[found(model, longest, beam=beam)[row][0].score for beam in (1, 2, 5, 125)] for row in range(4)]
    assert all(max(scores) == pytest.approx(scores[-1]) for scores in best)


@pytest.mark.parametrize("seed", range(10))
def test_beam_one_is_greedy(seed: int) -> None:
    model, longest = FakeModel(seed), torch.tensor([6, 2, 9, 0, 4])
    greedy = greedy_search(model.step, model.start(5), BOS, rules(longest), Ranking())
    beam = beam_search(model.step, model.start(5), BOS, rules(longest), Ranking(), width=1)
    assert [hypothesis.tokens for hypothesis in greedy] == [outputs[0].tokens for outputs in beam]
    assert [hypothesis.score for hypothesis in greedy] == pytest.approx([outputs[0].score for outputs in beam])
    assert found(model, longest, beam=1) == [[hypothesis] for hypothesis in greedy]


KINDS = [
    {"beam": 1},
    {"beam": 2},
    {"beam": 7, "length_penalty": 0.6},
    {"beam": 3, "normalisation": "average"},
    {"beam": 3, "normalisation": "none"},
    {"beam": 6, "diverse_groups": 3},
    {"beam": 4, "diverse_groups": 2, "diversity": 3.0},
    {"sample": True},
    {"sample": True, "top_k": 2, "temperature": 0.7},
    {"sample": True, "top_p": 0.8},
    {"beam": 4, "no_repeat_ngram": 2},
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_scores_are_true_and_sorted_and_outputs_within_the_limits(options: dict[str, object], seed: int) -> None:
    model = FakeModel(seed)
    ranking = Ranking(
        normalisation=options.get("normalisation", "gnmt"), length_penalty=options.get("length_penalty", 1.0)
    )
    for sentence, outputs in enumerate(found(model, **options)):
        assert outputs
        assert [one.score for one in outputs] == sorted((one.score for one in outputs), reverse=True)
        if "sample" not in options:
            assert len({one.tokens for one in outputs}) == len(outputs) <= options["beam"]
        for one in outputs:
            assert one.log_prob == pytest.approx(model.log_prob(sentence, one.tokens))
            assert one.score == pytest.approx(ranking.score(one.log_prob, len(one.tokens)))
            assert len(one.tokens) <= LONGEST[sentence]
            assert set(one.tokens) <= set(WORDS)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_a_sentence_does_not_notice_its_batch(options: dict[str, object]) -> None:
    model, settings = FakeModel(), DecodingConfig(**options)
    together = found(model, **options)
    for sentence in range(4):
        start, one = model.start(4).select(torch.tensor([sentence])), LONGEST[sentence : sentence + 1]
        alone = search(model.step, start, rules(one), settings, task(seeds=[(7, sentence)], draws=6))
        assert alone[0] == together[sentence]


def test_a_longer_penalty_exponent_never_makes_the_best_output_shorter() -> None:
    model, longest = FakeModel(3), torch.tensor([4])
    lengths = [len(found(model, longest, beam=125, length_penalty=a)[0][0].tokens) for a in (0.0, 0.5, 1.0, 3.0)]
    assert lengths == sorted(lengths)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_no_sentences_no_outputs(options: dict[str, object]) -> None:
    assert found(FakeModel(), torch.tensor([], dtype=torch.long), **options) == []


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_outputs_have_at_least_the_least_length(options: dict[str, object]) -> None:
    shortest = torch.tensor([4, 3, 1, 6])
    for sentence, outputs in enumerate(found(FakeModel(), own={"shortest": shortest}, **options)):
        repeats = "no_repeat_ngram" in options
        assert all(len(one.tokens) >= shortest[sentence] or repeats for one in outputs)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_outputs_begin_as_they_have_to(options: dict[str, object]) -> None:
    prefixes = [[2, 3], [], [4], [4, 4, 2]]
    for prefix, outputs in zip(
        prefixes, found(FakeModel(), own={"prefix": prefix_table(prefixes)}, **options), strict=True
    ):
        assert all(list(one.tokens[: len(prefix)]) == prefix for one in outputs)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("options", KINDS, ids=str)
def test_no_ngram_comes_twice(options: dict[str, object], order: int) -> None:
    longest = torch.tensor([12, 9, 3, 12])
    for outputs in found(FakeModel(), longest, {"no_repeat_ngram": order}, **{**options, "no_repeat_ngram": order}):
        for one in outputs:
            runs = [one.tokens[place : place + order] for place in range(len(one.tokens) - order + 1)]
            assert len(set(runs)) == len(runs)


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_a_blocked_phrase_may_only_be_the_beginning_of_a_longer_word(options: dict[str, object]) -> None:
    # Token 4 goes on with the word before it, the others begin a new one.
    word_start = torch.tensor([True, True, True, True, False])
    own = {"blocked": ((4, 2), (3, 3)), "word_start": word_start}
    for outputs in found(FakeModel(), own=own, **options):
        for one in outputs:
            said = (*one.tokens, EOS)
            for place in range(len(said) - 2):
                assert said[place : place + 2] not in own["blocked"] or said[place + 2] == 4


def test_without_that_rule_the_phrase_is_said() -> None:
    said = [pair for outputs in found(FakeModel(), beam=5) for one in outputs for pair in pairwise((*one.tokens, EOS))]
    assert (4, 2) in said


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("required", [[(2,), (4, 3)], [(3, 3, 3)], [(4,), (4,), (2, 2)]])
def test_what_is_required_is_there(seed: int, required: list[tuple[int, ...]]) -> None:
    model, longest = FakeModel(seed), torch.tensor([8, 8, 8, 8])
    phrases = [required, [], required[:1], required]
    own = task(required=phrases, word_start=torch.ones(5, dtype=torch.bool))
    results = search(model.step, model.start(4), rules(longest), DecodingConfig(beam=5), own)
    assert results[1] == found(model, longest, beam=5)[1]
    for sentence, outputs in enumerate(results):
        for one in outputs:
            assert one.log_prob == pytest.approx(model.log_prob(sentence, one.tokens))
            left = list(one.tokens)
            for phrase in sorted(phrases[sentence], key=len, reverse=True):
                places = [p for p in range(len(left)) if tuple(left[p : p + len(phrase)]) == phrase]
                assert places, (one.tokens, phrase)
                left[places[0] : places[0] + len(phrase)] = [None]


def test_the_best_output_with_what_is_required_is_found_by_a_wide_beam() -> None:
    model, longest = FakeModel(1), torch.tensor([4])
    own = task(1, required=[[(4, 3)]], word_start=torch.ones(5, dtype=torch.bool))
    outputs = search(model.step, model.start(1), rules(longest), DecodingConfig(beam=400), own)[0]
    expected = [one for one in model.everything(0, 4, 1.0) if (4, 3) in list(pairwise(one.tokens))]
    assert outputs[0].tokens == expected[0].tokens


def test_drawing_follows_the_distribution_and_repeats_with_its_seed() -> None:
    model, longest, settings = FakeModel(), torch.tensor([1]), DecodingConfig(sample=True)
    draws = search(model.step, model.start(1), rules(longest), settings, task(1, draws=4000))[0]
    again = search(model.step, model.start(1), rules(longest), settings, task(1, draws=4000))[0]
    assert draws == again
    first = torch.softmax(model.logits[1], dim=-1)
    allowed = first.clone()
    allowed[BOS] = 0
    for word in WORDS:
        share = sum(one.tokens == (word,) for one in draws) / len(draws)
        assert share == pytest.approx(float(allowed[word] / allowed.sum()), abs=0.04)
    other = search(model.step, model.start(1), rules(longest), settings, task(1, seeds=[(8, 0)], draws=20))[0]
    assert [one.tokens for one in other] != [one.tokens for one in draws[:20]]


def test_the_likeliest_token_is_all_that_narrow_drawing_leaves() -> None:
    model = FakeModel(2)
    greedy = [outputs[0] for outputs in found(model, beam=1)]
    for options in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 0.01}):
        for outputs, expected in zip(found(model, sample=True, **options), greedy, strict=True):
            assert {one.tokens for one in outputs} == {expected.tokens}


def test_groups_differ_more_the_higher_the_price() -> None:
    model, longest = FakeModel(), torch.tensor([6] * 4)

    def openings(diversity: float) -> int:
        results = found(model, longest, beam=3, diverse_groups=3, diversity=diversity)
        return sum(len({one.tokens[:1] for one in outputs}) for outputs in results)

    assert openings(0.01) < openings(50.0)
    assert openings(50.0) == 4 * 3


def test_a_token_costs_once_for_each_hypothesis_that_took_it() -> None:
    """Two of the first group take 2, by way of different hypotheses, so it costs the second group twice."""

    class Likes(FakeModel):
        def step(self, token: Tensor, state: History) -> tuple[Tensor, History]:
            logits = torch.tensor([0.0, -9.0, 2.0, 1.0, 0.0], dtype=torch.float64).repeat(len(token), 1)
            first = state.code == 0
            logits[first] = torch.tensor([0.0, -99.0, -99.0, 1.0, 1.0], dtype=torch.float64)
            return logits, History(state.code + 1)

    model, longest = Likes(), torch.tensor([2])
    outputs = search(
        model.step,
        model.start(1),
        rules(longest),
        DecodingConfig(beam=4, diverse_groups=2, diversity=0.7),
        task(1),
    )[0]
    # 2 is better than 3 by 1: more than one price, less than two.
    assert {one.tokens for one in outputs} >= {(3, 2), (4, 2), (3, 3), (4, 3)}


def test_a_phrase_is_found_behind_its_own_beginning() -> None:
    def said(*tokens: int) -> PhraseProgress:
        progress = PhraseProgress(((2, 2, 3),))
        for token in tokens:
            progress = progress.after(token)
        return progress

    assert said(2, 2, 2, 3).left == 0
    assert said(2, 3, 2).left == 2
    both = PhraseProgress(((2, 3), (2, 4))).after(2)
    assert both.following() == {3, 4}
    assert both.after(4).missing == ((2, 3),)


def test_a_word_that_goes_on_has_not_been_said() -> None:
    progress = PhraseProgress(((2,),)).after(2)
    assert progress.left == 0
    assert progress.after(4, inside=True).left == 1
    assert progress.after(4).after(4, inside=True).left == 0


def beam_of_candidates(places: int, stages: list[int]) -> list[int]:
    """Which stages are kept of candidates, best first, when four tokens are required."""
    model = FakeModel()
    beam = ConstrainedBeam(
        model.step,
        model.start(1),
        BOS,
        rules(torch.tensor([9])),
        Ranking(),
        places,
        [[(2, 2, 2)]],
        torch.ones(5, dtype=torch.bool),
    )
    candidates = [
        _Extension(-float(place), 0, 3, PhraseProgress(((2, 2, 2),), begun=(2,) * stage))
        for place, stage in enumerate(stages)
    ]
    return [len(one.progress.begun) for one in beam._share_out(0, candidates)]


def test_each_stage_has_its_share_and_the_furthest_come_first() -> None:
    assert sorted(beam_of_candidates(4, [0, 0, 0, 0, 1, 1, 2])) == [0, 0, 1, 2]
    assert sorted(beam_of_candidates(8, [0] * 9 + [1] * 3 + [2])) == [0, 0, 0, 0, 0, 1, 1, 2]
    assert beam_of_candidates(1, [0, 1, 2]) == [2]


@pytest.mark.parametrize("options", [{"beam": 1}, {"beam": 3}, {"sample": True}], ids=str)
def test_nothing_forbids_what_is_forced(options: dict[str, object]) -> None:
    own = {"prefix": prefix_table([[2, 2, 3]] * 4), "no_repeat_ngram": 1, "blocked": ((2,),), "banned": (BOS, 3)}
    model, longest = FakeModel(), torch.tensor([6] * 4)
    own["word_start"] = torch.ones(5, dtype=torch.bool)
    for sentence, outputs in enumerate(found(model, longest, own, **options)):
        for one in outputs:
            assert one.tokens[:3] == (2, 2, 3)
            assert one.log_prob == pytest.approx(model.log_prob(sentence, one.tokens))


@pytest.mark.parametrize("beam", [1, 4])
def test_a_forced_word_may_begin_with_what_is_required(beam: int) -> None:
    # Token 4 goes on with the word before it: 2 4 is not the word 2.
    word_start, longest = torch.tensor([True, True, True, True, False]), torch.tensor([5])
    own = task(1, required=[[(2,)]], word_start=word_start)
    forced = rules(longest, prefix=prefix_table([[2, 4]]))
    model = FakeModel()
    outputs = search(model.step, model.start(1), forced, DecodingConfig(beam=beam), own)[0]
    assert outputs
    for one in outputs:
        assert one.tokens[:2] == (2, 4)
        assert any(token == 2 and after != 4 for token, after in pairwise((*one.tokens[2:], EOS)))


@given(
    values=arrays(
        "float64",
        array_shapes(min_dims=2, max_dims=2, max_side=300),
        elements=st.sampled_from([-math.inf, -2.0, 0.5, 1.5]),
    ),
    count=st.integers(1, 5),
)
@settings(deadline=None)
def test_the_best_tokens_are_the_highest_values(values: np.ndarray, count: int) -> None:
    rows, count = torch.from_numpy(values), min(count, values.shape[1])
    best, token = best_tokens(rows, count)
    assert torch.equal(best, rows.topk(count).values)
    assert torch.equal(rows.gather(1, token), best)
    assert all(len(set(row)) == count for row in token.tolist())
