"""Hypotheses rebuilt from back-pointers are those that were built token by token."""

import pytest
import torch

from seq2seq.search.history import History
from seq2seq.search.hypothesis import Hypothesis, Ranking
from seq2seq.search.pending import Pending
from seq2seq.search.slots import Choice

EOS, RANKING = 1, Ranking(length_penalty=0.7)


def hypothesis(tokens: tuple[int, ...], log_prob: float) -> Hypothesis:
    return Hypothesis(tokens, log_prob, RANKING.score(log_prob, len(tokens)))


@pytest.mark.parametrize("seed", range(5))
def test_what_took_the_end_mark_is_found_in_its_order(seed: int) -> None:
    """Lines leave and slots become fewer, and every choice is made at random."""
    torch.manual_seed(seed)
    choices, line, texts = Pending(4), torch.arange(4), {(number, 0): () for number in range(4)}
    expected: list[list[Hypothesis]] = [[] for _ in range(4)]
    slots = 1
    for time, width in enumerate([3, 3, 3, 2, 2, 1]):
        shape = len(line), width
        choice = Choice(torch.randint(slots, shape), torch.randint(1, 4, shape), -torch.rand(shape).double())
        choice.total[torch.rand(shape) < 0.2] = -torch.inf
        choices.append(choice, line)
        following = {}
        for place, number in enumerate(line.tolist()):
            for slot in range(width):
                tokens = texts[number, int(choice.parent[place, slot])]
                total, token = float(choice.total[place, slot]), int(choice.token[place, slot])
                if total > -torch.inf and token == EOS:
                    expected[number].append(hypothesis(tokens, total))
                following[number, slot] = (*tokens, token)
        texts, slots = following, width
        line = line[[0, 2, 3]] if time == 2 else line[[2]] if time == 3 else line
    found = choices.history().complete(EOS, RANKING)
    assert found == expected
    assert sum(map(len, found)) > 4


def test_nothing_chosen_nothing_complete() -> None:
    assert History(2).complete(EOS, RANKING) == [[], []]
    assert History(0).complete(EOS, RANKING) == []


def test_what_is_not_a_number_is_not_complete() -> None:
    choices, one = Pending(1), torch.zeros((1, 1), dtype=torch.long)
    choices.append(Choice(one, one + EOS, torch.tensor([[torch.nan]])), torch.arange(1))
    assert choices.history().complete(EOS, RANKING) == [[]]
