"""What all searches promise, on a model whose every output can be enumerated."""

from itertools import pairwise

import pytest
import torch
from toy_search import ALL_START, EOS, LONGEST, WORDS, ToyModel, find, problem

from seq2seq.config import DecodingConfig
from seq2seq.search.beam import beam_search
from seq2seq.search.hypothesis import Ranking
from seq2seq.search.rules import Banned, BlockedPhrases, MinLength, NoRepeatNgram, prefix_table
from seq2seq.search.strategy import search

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
]
all_kinds = pytest.mark.parametrize("options", [DecodingConfig(**kind) for kind in KINDS], ids=map(str, KINDS))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("alpha", [0.0, 0.7, 2.0])
def test_a_wide_beam_is_exhaustive(seed: int, alpha: float) -> None:
    model, longest = ToyModel(seed), torch.tensor([3, 4, 0, 4])
    ranking = Ranking(length_penalty=alpha)
    for sentence, found in enumerate(beam_search(problem(model, longest, ranking=ranking), width=125)):
        expected = model.everything(sentence, int(longest[sentence]), alpha)
        assert [hypothesis.tokens for hypothesis in found] == [hypothesis.tokens for hypothesis in expected]
        assert [hypothesis.score for hypothesis in found] == pytest.approx([one.score for one in expected])


@pytest.mark.parametrize("seed", range(10))
def test_no_narrower_beam_beats_one_that_is_wide_enough(seed: int) -> None:
    one = problem(ToyModel(seed), torch.tensor([3, 4, 0, 4]))
    scores = [[outputs[0].score for outputs in beam_search(one, width=beam)] for beam in (1, 2, 5, 125)]
    for narrow in scores:
        assert all(score <= best + 1e-9 for score, best in zip(narrow, scores[-1], strict=True))


@pytest.mark.parametrize("seed", range(10))
def test_beam_one_takes_the_likeliest_token_each_time(seed: int) -> None:
    model, longest = ToyModel(seed), [6, 2, 9, 0, 4]
    for sentence, outputs in enumerate(find(problem(model, torch.tensor(longest)), DecodingConfig(beam=1))):
        tokens: tuple[int, ...] = ()
        while len(tokens) < longest[sentence]:
            following = model.next(sentence, tokens)
            token = max((EOS, *WORDS), key=following.__getitem__)
            if token == EOS:
                break
            tokens = (*tokens, token)
        (output,) = outputs
        assert output.tokens == tokens
        assert output.log_prob == pytest.approx(model.log_prob(sentence, tokens))


@pytest.mark.parametrize("seed", range(3))
@all_kinds
def test_scores_are_true_and_sorted_and_outputs_within_the_limits(options: DecodingConfig, seed: int) -> None:
    model, ranking = ToyModel(seed), Ranking.of(options)
    for sentence, outputs in enumerate(find(problem(model, ranking=ranking), options)):
        assert outputs
        assert [one.score for one in outputs] == sorted((one.score for one in outputs), reverse=True)
        if options.sample:
            assert len(outputs) == 6
        else:
            assert len({one.tokens for one in outputs}) == len(outputs) <= options.beam
        for one in outputs:
            assert one.log_prob == pytest.approx(model.log_prob(sentence, one.tokens))
            assert one.score == pytest.approx(ranking.score(one.log_prob, len(one.tokens)))
            assert len(one.tokens) <= LONGEST[sentence]
            assert set(one.tokens) <= set(WORDS)


@all_kinds
def test_a_sentence_does_not_notice_its_batch(options: DecodingConfig) -> None:
    model, strikes = ToyModel(), (NoRepeatNgram(3), MinLength(torch.tensor([2, 3, 1, 0]), EOS))
    together = find(problem(model, LONGEST, *strikes), options)
    for sentence in range(4):
        state, shortest = model.start(4).select(torch.tensor([sentence])), torch.tensor([2, 3, 1, 0])[[sentence]]
        strikes = NoRepeatNgram(3), MinLength(shortest, EOS)
        alone = find(problem(model, LONGEST[[sentence]], *strikes, state=state), options, seeds=[(7, sentence)])
        assert alone[0] == together[sentence]


def test_a_longer_penalty_exponent_never_makes_the_best_output_shorter() -> None:
    one = problem(ToyModel(3), torch.tensor([4]))
    outputs = beam_search(one, width=125)[0]
    lengths = []
    for alpha in (0.0, 0.5, 1.0, 3.0):
        ranking = Ranking(length_penalty=alpha)
        lengths.append(len(max(outputs, key=lambda x: ranking.score(x.log_prob, len(x.tokens))).tokens))
    assert lengths == sorted(lengths)


@all_kinds
def test_no_sentences_no_outputs(options: DecodingConfig) -> None:
    assert find(problem(ToyModel(), torch.tensor([], dtype=torch.long)), options) == []


@all_kinds
def test_outputs_have_at_least_the_least_length(options: DecodingConfig) -> None:
    shortest = torch.tensor([4, 3, 1, 6])
    for sentence, outputs in enumerate(find(problem(ToyModel(), LONGEST, MinLength(shortest, EOS)), options)):
        assert all(len(one.tokens) >= shortest[sentence] for one in outputs)


@all_kinds
def test_outputs_begin_as_they_have_to(options: DecodingConfig) -> None:
    prefixes = [[2, 3], [], [4], [4, 4, 2]]
    found = find(problem(ToyModel(), prefix=prefix_table(prefixes)), options)
    for prefix, outputs in zip(prefixes, found, strict=True):
        assert all(list(one.tokens[: len(prefix)]) == prefix for one in outputs)


@pytest.mark.parametrize("order", [1, 2, 3])
@all_kinds
def test_no_ngram_comes_twice(options: DecodingConfig, order: int) -> None:
    for outputs in find(problem(ToyModel(), torch.tensor([12, 9, 3, 12]), NoRepeatNgram(order)), options):
        for one in outputs:
            ngrams = [one.tokens[place : place + order] for place in range(len(one.tokens) - order + 1)]
            assert len(set(ngrams)) == len(ngrams)


@all_kinds
def test_a_blocked_phrase_may_only_be_the_beginning_of_a_longer_word(options: DecodingConfig) -> None:
    # Token 4 goes on with the word before it, the others begin a new one.
    word_start = torch.tensor([True, True, True, True, False])
    blocked = BlockedPhrases(((4, 2), (3, 3)), word_start, ALL_START, LONGEST)
    for outputs in find(problem(ToyModel(), LONGEST, blocked), options):
        for one in outputs:
            tokens = (*one.tokens, EOS)
            for place in range(len(tokens) - 2):
                assert tokens[place : place + 2] not in blocked.phrases or tokens[place + 2] == 4


def test_without_that_rule_the_phrase_occurs() -> None:
    assert any(
        (4, 2) in pairwise(one.tokens) for outputs in beam_search(problem(ToyModel()), width=5) for one in outputs
    )


@pytest.mark.parametrize("options", [{"beam": 1}, {"beam": 3}, {"sample": True}], ids=str)
def test_nothing_forbids_what_is_forced(options: dict[str, object]) -> None:
    model, longest = ToyModel(), torch.tensor([6] * 4)
    strikes = NoRepeatNgram(1), BlockedPhrases(((2,),), ALL_START, ALL_START, longest), Banned((3,))
    one = problem(model, longest, *strikes, prefix=prefix_table([[2, 2, 3]] * 4))
    for sentence, outputs in enumerate(find(one, DecodingConfig(**options))):
        for output in outputs:
            assert output.tokens[:3] == (2, 2, 3)
            assert output.log_prob == pytest.approx(model.log_prob(sentence, output.tokens))


@pytest.mark.parametrize("beam", [2, 5])
def test_the_settings_choose_the_search(beam: int) -> None:
    one, plain = problem(ToyModel()), DecodingConfig(beam=beam)
    expected = beam_search(one, width=beam)
    assert find(one, plain) == expected
    assert any(len(outputs) > 1 for outputs in expected)
    # A batch whose constraints require no words is searched as any other.
    assert find(one, plain, word_start=ALL_START) == expected
    assert find(one, plain, word_start=ALL_START, required=[[]] * 4) == expected
    assert find(one, plain, word_start=ALL_START, required=[[(2,)], [], [], []]) != expected


def test_sampling_makes_one_output_unless_told_otherwise() -> None:
    one = problem(ToyModel())
    seeds = [(7, n) for n in range(4)]
    assert [len(outputs) for outputs in search(one, DecodingConfig(sample=True), seeds=seeds)] == [1] * 4
