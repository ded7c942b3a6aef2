"""Beams against the same search written with lists, and what a step may and may not do."""

import pytest
import torch
from torch import Tensor
from toy_search import BOS, EOS, WORDS, History, ToyModel, find, problem

from seq2seq.config import DecodingConfig
from seq2seq.search.beam import Beam, beam_search, diverse_beam_search
from seq2seq.search.decode import narrow
from seq2seq.search.rules import Banned, NoRepeatNgram
from seq2seq.search.slots import first_slots
from seq2seq.search.step import advance

Live = list[tuple[float, tuple[int, ...]]]


class ListBeam:
    """The beam of one sentence: (log-probability, tokens) in lists."""

    def __init__(self, model: ToyModel, sentence: int, width: int, longest: int) -> None:
        self.model, self.sentence, self.longest, self.slots = model, sentence, longest, width
        self.live: Live = [(0.0, ())]
        self.complete: Live = []

    def advance(self, penalty: dict[int, float]) -> list[int]:
        candidates = []
        for total, tokens in self.live:
            following = self.model.next(self.sentence, tokens)
            for token in (EOS,) if len(tokens) == self.longest else (EOS, *WORDS):
                summed = total + following[token]
                candidates.append((summed - penalty.get(token, 0.0), summed, (*tokens, token)))
        kept = sorted(candidates, reverse=True)[: self.slots]
        self.complete += [(total, tokens[:-1]) for _, total, tokens in kept if tokens[-1] == EOS]
        self.live = [(total, tokens) for _, total, tokens in kept if tokens[-1] != EOS]
        self.slots -= sum(tokens[-1] == EOS for _, _, tokens in kept)
        return [tokens[-1] for _, _, tokens in kept]


def by_lists(model: ToyModel, sentence: int, longest: int, width: int, groups: int, diversity: float) -> dict:
    beams = [ListBeam(model, sentence, width // groups, longest) for _ in range(groups)]
    while any(beam.live for beam in beams):
        penalty: dict[int, float] = {}
        for beam in beams:
            for token in beam.advance(dict(penalty)):
                penalty[token] = penalty.get(token, 0.0) + diversity
    return {tokens: pytest.approx(total) for beam in beams for total, tokens in beam.complete}


LENGTHS = torch.tensor([6, 2, 9, 0, 4])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("width", [1, 2, 3, 4, 7])
def test_a_beam_is_the_one_made_of_lists(seed: int, width: int) -> None:
    model = ToyModel(seed)
    for sentence, outputs in enumerate(beam_search(problem(model, LENGTHS), width=width)):
        expected = by_lists(model, sentence, int(LENGTHS[sentence]), width, 1, 0.0)
        assert {one.tokens: one.log_prob for one in outputs} == expected


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("width", "groups"), [(3, 3), (4, 2), (6, 3), (6, 2)])
@pytest.mark.parametrize("diversity", [0.3, 1.5])
def test_diverse_groups_are_those_made_of_lists(seed: int, width: int, groups: int, diversity: float) -> None:
    model, one = ToyModel(seed), problem(ToyModel(seed), LENGTHS)
    found = diverse_beam_search(one, width=width, groups=groups, diversity=diversity)
    options = DecodingConfig(beam=width, diverse_groups=groups, diversity=diversity)
    assert find(one, options) == found
    for sentence, outputs in enumerate(found):
        expected = by_lists(model, sentence, int(LENGTHS[sentence]), width, groups, diversity)
        assert {output.tokens: output.log_prob for output in outputs} == expected
        assert [output.score for output in outputs] == sorted((output.score for output in outputs), reverse=True)


@pytest.mark.parametrize("width", [1, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_a_slot_is_taken_once_and_hypotheses_stay_in_order(seed: int, width: int) -> None:
    model, outputs = ToyModel(seed), [{(): 0.0} for _ in LENGTHS]
    one, complete = problem(model, LENGTHS), [0] * len(LENGTHS)
    slots = first_slots(one, lines=1, width=width)
    while slots is not None:
        before = slots
        slots, choice = advance(one, Beam(width), slots)
        rows = zip(
            before.line.tolist(), choice.parent.tolist(), choice.token.tolist(), choice.total.tolist(), strict=True
        )
        for place, (line, parents, tokens, totals) in enumerate(rows):
            extended, live = list(outputs[line]), []
            for parent, token, total in zip(parents, tokens, totals, strict=True):
                if total > -torch.inf:
                    text = (*extended[parent], token)
                    following = [model.next(line, text[:n])[t] for n, t in enumerate(text)]
                    assert total == pytest.approx(sum(following))
                    complete[line] += token == EOS
                    live += [(text, total)] if token != EOS else []
            # The live ones come first, the best of them first, and as many as there is room for.
            outputs[line] = dict(live)
            assert slots.total[place, : len(live)].tolist() == sorted((total for _, total in live), reverse=True)
            assert slots.token[place, : len(live)].tolist() == [text[-1] for text, _ in live]
            assert not (slots.total[place, len(live) :] > -torch.inf).any()
            assert len(live) in (0, int(slots.room[place]))
            assert int(slots.room[place]) == width - complete[line]
        slots = narrow(slots, 1)


class Fixed(ToyModel):
    """The same logits in each step, whatever comes before."""

    def __init__(self, *logits: float) -> None:
        self.fixed = torch.tensor(logits, dtype=torch.float64)

    def step(self, token: Tensor, state: History) -> tuple[Tensor, History]:
        return self.fixed.repeat(len(token), 1), state


@pytest.mark.parametrize("width", [2, 3])
def test_ties_give_different_outputs_of_equal_score(width: int) -> None:
    one = problem(Fixed(0.0, -9.0, 0.0, 0.0, 0.0), torch.tensor([3, 3]))
    for outputs in beam_search(one, width=width):
        assert len({output.tokens for output in outputs}) == len(outputs) == width
        assert {len(output.tokens) for output in outputs} == {3}
        assert len({round(output.log_prob, 9) for output in outputs}) == 1


def test_a_price_chooses_but_does_not_score() -> None:
    one = problem(Fixed(0.0, -9.0, 2.0, 1.0, 0.0), torch.tensor([4, 4]))
    _, choice = advance(one, Beam(1, lines=2, diversity=1.5), first_slots(one, lines=2, width=1))
    assert choice.token.flatten().tolist() == [2, 3, 2, 3]
    log_probs = torch.tensor([0.0, -9.0, 2.0, 1.0, 0.0], dtype=torch.float64).log_softmax(0)
    assert choice.total.flatten().tolist() == pytest.approx(log_probs[[2, 3, 2, 3]].tolist())


def test_a_token_costs_once_for_each_hypothesis_that_took_it() -> None:
    """Two of the first group take 2, by way of different hypotheses, so it costs the second group twice."""

    class Likes(ToyModel):
        def step(self, token: Tensor, state: History) -> tuple[Tensor, History]:
            logits = torch.tensor([0.0, -9.0, 2.0, 1.0, 0.0], dtype=torch.float64).repeat(len(token), 1)
            logits[state.code == 0] = torch.tensor([0.0, -99.0, -99.0, 1.0, 1.0], dtype=torch.float64)
            return logits, History(state.code + 1)

    one = problem(Likes(), torch.tensor([2]))
    (outputs,) = diverse_beam_search(one, width=4, groups=2, diversity=0.7)
    # 2 is better than 3 by 1: more than one price, less than two.
    assert {output.tokens for output in outputs} >= {(3, 2), (4, 2), (3, 3), (4, 3)}


def test_groups_differ_more_the_higher_the_price() -> None:
    def openings(diversity: float) -> int:
        options = DecodingConfig(beam=3, diverse_groups=3, diversity=diversity)
        found = find(problem(ToyModel(), torch.tensor([6] * 4)), options)
        return sum(len({one.tokens[:1] for one in outputs}) for outputs in found)

    assert openings(0.01) < openings(50.0) == 4 * 3


def test_an_output_that_two_groups_found_is_listed_once() -> None:
    one = problem(Fixed(0.0, 0.0, 5.0, 0.0, 0.0), torch.tensor([1]))
    (outputs,) = diverse_beam_search(one, width=2, groups=2, diversity=0.01)
    assert [output.tokens for output in outputs] == [(2,)]


def test_a_sentence_with_fewer_outputs_than_slots_has_them_all() -> None:
    one = problem(ToyModel(), torch.tensor([1, 2]), NoRepeatNgram(1), Banned((4,)))
    first, second = beam_search(one, width=9)
    assert {output.tokens for output in first} == {(), (2,), (3,)}
    assert {output.tokens for output in second} == {(), (2,), (3,), (2, 3), (3, 2)}


def test_the_model_reads_the_begin_mark_and_then_what_was_chosen() -> None:
    fed = []

    class Notes(Fixed):
        def step(self, token: Tensor, state: History) -> tuple[Tensor, History]:
            fed.append(token.tolist())
            return super().step(token, state)

    beam_search(problem(Notes(0.0, -9.0, 2.0, 1.0, 0.0), torch.tensor([2])), width=2)
    assert fed == [[BOS], [2, 3], [2, 3]]
