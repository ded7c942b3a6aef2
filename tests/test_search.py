"""Search, on a fake model whose every output can be enumerated."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest
import torch
from torch import Tensor

from seq2seq.decoding.search import Hypothesis, SearchOptions, beam_search, greedy_search, search

BOS, EOS, WORDS = 0, 1, (2, 3, 4)
OPTIONS = {"bos": BOS, "eos": EOS, "banned": (BOS,)}


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


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("alpha", [0.0, 0.7, 2.0])
def test_a_wide_beam_is_exhaustive(seed: int, alpha: float) -> None:
    model, longest = FakeModel(seed), torch.tensor([3, 4, 0, 4])
    found = beam_search(model.step, model.start(4), longest, SearchOptions(**OPTIONS, beam=125, length_penalty=alpha))
    for sentence, hypotheses in enumerate(found):
        expected = model.everything(sentence, int(longest[sentence]), alpha)
        assert [hypothesis.tokens for hypothesis in hypotheses] == [hypothesis.tokens for hypothesis in expected]
        assert [hypothesis.score for hypothesis in hypotheses] == pytest.approx([one.score for one in expected])


@pytest.mark.parametrize("seed", range(10))
def test_beam_one_is_greedy(seed: int) -> None:
    model, longest = FakeModel(seed), torch.tensor([6, 2, 9, 0, 4])
    options = SearchOptions(**OPTIONS, beam=1)
    greedy = greedy_search(model.step, model.start(5), longest, options)
    beam = beam_search(model.step, model.start(5), longest, options)
    assert [hypothesis.tokens for hypothesis in greedy] == [found[0].tokens for found in beam]
    assert [hypothesis.score for hypothesis in greedy] == pytest.approx([found[0].score for found in beam])
    assert search(model.step, model.start(5), longest, options) == [[hypothesis] for hypothesis in greedy]


@pytest.mark.parametrize("beam", [1, 2, 3, 7])
@pytest.mark.parametrize("seed", range(5))
def test_scores_are_true_sorted_and_outputs_unique(beam: int, seed: int) -> None:
    model, longest = FakeModel(seed), torch.tensor([5, 8, 1])
    for sentence, found in enumerate(
        search(model.step, model.start(3), longest, SearchOptions(**OPTIONS, beam=beam, length_penalty=0.6))
    ):
        assert 1 <= len(found) <= beam
        assert len({hypothesis.tokens for hypothesis in found}) == len(found)
        assert found == sorted(found, key=lambda hypothesis: -hypothesis.score)
        for hypothesis in found:
            assert hypothesis.log_prob == pytest.approx(model.log_prob(sentence, hypothesis.tokens))
            assert len(hypothesis.tokens) <= longest[sentence]
            assert set(hypothesis.tokens) <= set(WORDS)


@pytest.mark.parametrize("beam", [1, 4])
def test_a_sentence_does_not_notice_its_batch(beam: int) -> None:
    model, longest, options = FakeModel(), torch.tensor([5, 8, 1, 6]), SearchOptions(**OPTIONS, beam=beam)
    together = search(model.step, model.start(4), longest, options)
    for sentence in range(4):
        start = model.start(4).select(torch.tensor([sentence]))
        assert search(model.step, start, longest[sentence : sentence + 1], options)[0] == together[sentence]


def test_a_longer_penalty_exponent_never_makes_the_best_output_shorter() -> None:
    model, longest = FakeModel(3), torch.tensor([4])
    lengths = [
        len(
            beam_search(model.step, model.start(1), longest, SearchOptions(**OPTIONS, beam=125, length_penalty=a))[0][
                0
            ].tokens
        )
        for a in (0.0, 0.5, 1.0, 3.0)
    ]
    assert lengths == sorted(lengths)


def test_no_sentences_no_outputs() -> None:
    model = FakeModel()
    for beam in (1, 3):
        assert (
            search(model.step, model.start(0), torch.tensor([], dtype=torch.long), SearchOptions(**OPTIONS, beam=beam))
            == []
        )
