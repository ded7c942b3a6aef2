"""What sampling draws from: each distribution against the exact one.

A grid of evenly spaced numbers takes the place of random ones, so shares are exact up to the width of the grid.
"""

import pytest
import torch
from torch import Tensor
from toy_search import EOS, ToyModel, find, problem

from seq2seq.config import DecodingConfig
from seq2seq.search.hypothesis import Ranking
from seq2seq.search.sampling import Sampling, sample

GRID = 20_000
# Ranked by probability: tokens 3, 1, 4, 0, 5; token 2 is not allowed.
PROBABILITIES = [0.10, 0.25, 0.0, 0.40, 0.20, 0.05]


def shares(sampling: Sampling, probabilities: list[float] = PROBABILITIES) -> list[float]:
    """How often each token is drawn."""
    log_probs = torch.tensor(probabilities, dtype=torch.float64).log().expand(GRID, -1)
    uniform = (torch.arange(GRID, dtype=torch.float64) + 0.5) / GRID
    return (torch.bincount(sampling.draw(log_probs, uniform), minlength=len(probabilities)) / GRID).tolist()


def normalised(weights: list[float]) -> list[float]:
    return [weight / sum(weights) for weight in weights]


def matches(expected: list[float]) -> object:
    return pytest.approx(expected, abs=2 / GRID)


def test_the_models_own_distribution_is_drawn_from() -> None:
    assert shares(Sampling()) == matches(PROBABILITIES)


@pytest.mark.parametrize("temperature", [0.25, 0.5, 2.0, 5.0])
def test_temperature_divides_log_probabilities(temperature: float) -> None:
    expected = normalised([probability ** (1 / temperature) for probability in PROBABILITIES])
    assert shares(Sampling(temperature=temperature)) == matches(expected)


@pytest.mark.parametrize("top_k", range(1, 8))
def test_top_k_keeps_the_k_likeliest(top_k: int) -> None:
    kept = set([3, 1, 4, 0, 5][:top_k])
    expected = normalised([p if token in kept else 0.0 for token, p in enumerate(PROBABILITIES)])
    assert shares(Sampling(top_k=top_k)) == matches(expected)


@pytest.mark.parametrize(
    ("top_p", "count"),
    [(1e-6, 1), (0.39, 1), (0.41, 2), (0.64, 2), (0.66, 3), (0.84, 3), (0.86, 4), (0.94, 4), (0.96, 5), (1.0, 5)],
)
def test_top_p_keeps_the_fewest_tokens_with_that_probability(top_p: float, count: int) -> None:
    kept = set([3, 1, 4, 0, 5][:count])
    expected = normalised([p if token in kept else 0.0 for token, p in enumerate(PROBABILITIES)])
    assert shares(Sampling(top_p=top_p)) == matches(expected)


def test_exactly_p_is_enough() -> None:
    assert shares(Sampling(top_p=0.5), [0.25, 0.5, 0.25]) == matches([0.0, 1.0, 0.0])
    assert shares(Sampling(top_p=0.75), [0.25, 0.5, 0.25]) == matches([1 / 3, 2 / 3, 0.0])


def test_temperature_then_top_k_then_top_p() -> None:
    sampling = Sampling(temperature=0.5, top_k=3, top_p=0.7)
    # Squares 0.16, 0.0625, 0.04 of the three likeliest: the first has 0.61 of them, the first two have 0.85.
    assert shares(sampling) == matches(normalised([0.0, 0.0625, 0.0, 0.16, 0.0, 0.0]))
    # Of all tokens, not of the k likeliest, the first two would have 0.65 and be too few.
    assert shares(Sampling(top_k=3, top_p=0.7)) == matches(normalised([0.0, 0.25, 0.0, 0.40, 0.0, 0.0]))


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(top_k=2), Sampling(top_p=0.6)], ids=str)
def test_the_ends_of_the_interval_are_the_likeliest_and_the_last_token_that_is_allowed(sampling: Sampling) -> None:
    log_probs = torch.tensor(PROBABILITIES).log().expand(2, -1)
    last = 5 if sampling == Sampling() else 1
    # 1 - 2 ** -53 is 1 in float32.
    assert sampling.draw(log_probs, torch.tensor([0.0, 1 - 2**-53])).tolist() == [3, last]


def test_each_row_has_its_own_distribution_and_number() -> None:
    log_probs = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.2, 0.0, 0.8]]).log()
    assert Sampling().draw(log_probs, torch.tensor([0.1, 0.9, 0.5])).tolist() == [0, 2, 2]


def test_a_number_at_a_border_belongs_to_the_token_above_it() -> None:
    # Numbers are from [0, 1), so that a half of them are below 0.5, not up to it.
    log_probs = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64).log().expand(3, -1)
    uniform = torch.tensor([0.0, 0.5, 0.75], dtype=torch.float64)
    assert Sampling().draw(log_probs, uniform).tolist() == [0, 1, 2]


def exact(model: ToyModel, longest: int) -> dict[tuple[int, ...], float]:
    """Probabilities of all outputs; each step shares that of the begin mark out among the other tokens."""
    probabilities: dict[tuple[int, ...], float] = {}

    def extend(tokens: tuple[int, ...], probability: float) -> None:
        allowed = normalised([0.0, *torch.tensor(model.next(0, tokens)[1:]).exp().tolist()])
        ends = 1.0 if len(tokens) == longest else allowed[EOS]
        probabilities[tokens] = probability * ends
        if len(tokens) < longest:
            for word in (2, 3, 4):
                extend((*tokens, word), probability * allowed[word])

    extend((), 1.0)
    return probabilities


@pytest.mark.parametrize("seed", range(3))
def test_outputs_are_drawn_as_often_as_they_are_likely(seed: int) -> None:
    model, draws = ToyModel(seed), 4000
    found = sample(problem(model, torch.tensor([2])), Sampling(), [(7, 0)], draws=draws)[0]
    expected, statistic = exact(model, 2), 0.0
    for tokens, probability in expected.items():
        count = sum(one.tokens == tokens for one in found)
        statistic += (count - draws * probability) ** 2 / (draws * probability)
    assert len(expected) == 13
    assert statistic < 26.2  # the 99 % quantile of chi-square with 12 degrees of freedom


def test_a_seed_repeats_its_draws_and_others_do_not() -> None:
    one = problem(ToyModel(), torch.tensor([5, 5]), state=ToyModel().start(1).select(torch.tensor([0, 0])))
    first, second = sample(one, Sampling(), [(7, 0), (7, 0)], draws=20)
    assert first == second
    first, second = sample(one, Sampling(), [(7, 0), (8, 0)], draws=20)
    assert [output.tokens for output in first] != [output.tokens for output in second]


def test_each_step_has_a_number_of_its_own() -> None:
    """With one number for all steps, outputs of two tokens that are equally likely would be words twice."""

    class Even(ToyModel):
        def step(self, token: Tensor, state: object) -> tuple[Tensor, object]:
            logits = torch.full((len(token), 5), -1e9, dtype=torch.float64)
            logits[:, [2, 3]] = 0.0
            return logits.log_softmax(1), state

    found = sample(problem(Even(), torch.tensor([2])), Sampling(), [(1,)], draws=100)[0]
    assert {one.tokens for one in found} == {(2, 2), (2, 3), (3, 2), (3, 3)}


def test_the_settings_reach_the_distribution() -> None:
    one, ranking = problem(ToyModel(2)), Ranking()
    for setting in ({"temperature": 0.3}, {"top_k": 2}, {"top_p": 0.5}):
        expected = sample(one, Sampling(**setting), [(7, n) for n in range(4)], draws=6)
        assert find(one, DecodingConfig(sample=True, **setting)) == expected
    assert ranking == one.ranking


def test_the_likeliest_token_is_all_that_narrow_sampling_leaves() -> None:
    one = problem(ToyModel(2))
    greedy = [outputs[0].tokens for outputs in find(one, DecodingConfig(beam=1))]
    for setting in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 0.01}):
        for outputs, expected in zip(find(one, DecodingConfig(sample=True, **setting)), greedy, strict=True):
            assert {output.tokens for output in outputs} == {expected}
