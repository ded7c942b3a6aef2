"""A model of five tokens whose every output can be enumerated, and searches on it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor

from seq2seq.config import DecodingConfig
from seq2seq.search.hypothesis import Hypothesis, Ranking
from seq2seq.search.problem import SearchProblem
from seq2seq.search.rules import Banned, Rules
from seq2seq.search.strategy import search

BOS, EOS, WORDS, VOCAB = 0, 1, (2, 3, 4), 5
LONGEST = torch.tensor([5, 8, 1, 6])
ALL_START = torch.ones(VOCAB, dtype=torch.bool)
"""Every token is a word."""


@dataclass(frozen=True)
class History:
    """A state that remembers all it was fed, as one number a row."""

    code: Tensor
    is_loose: bool = True

    def select(self, rows: Tensor, sources: Tensor | None = None) -> "History":
        return History(self.code[rows], self.is_loose)


class ToyModel:
    """Random logits that depend on the sentence and on all tokens so far."""

    def __init__(self, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.logits = 2 * torch.randn(997, VOCAB, generator=generator, dtype=torch.float64)

    def step(self, token: Tensor, state: History) -> tuple[Tensor, History]:
        code = (state.code * 7 + token * 3 + 1) % 997
        return self.logits[code], History(code, state.is_loose)

    def start(self, count: int) -> History:
        return History(torch.arange(count) * 11)

    def next(self, sentence: int, tokens: tuple[int, ...]) -> list[float]:
        """Log-probabilities of the token after some."""
        state = History(torch.tensor([sentence * 11]))
        for token in (BOS, *tokens):
            logits, state = self.step(torch.tensor([token]), state)
        return torch.log_softmax(logits, dim=-1)[0].tolist()

    def log_prob(self, sentence: int, tokens: tuple[int, ...]) -> float:
        whole = (*tokens, EOS)
        return math.fsum(self.next(sentence, whole[:place])[token] for place, token in enumerate(whole))

    def everything(self, sentence: int, longest: int, alpha: float) -> list[Hypothesis]:
        """All outputs, best first."""

        def outputs() -> Iterator[Hypothesis]:
            for length in range(longest + 1):
                for tokens in product(WORDS, repeat=length):
                    log_prob = self.log_prob(sentence, tokens)
                    yield Hypothesis(tokens, log_prob, log_prob / ((6 + length) / 6) ** alpha)

        return sorted(outputs(), key=lambda hypothesis: -hypothesis.score)


def problem(model: ToyModel, longest: Tensor = LONGEST, *strikes: object, **others: object) -> SearchProblem[History]:
    """Sentences of these lengths; ``others`` are a prefix, a ranking or another state."""
    ranking, state = others.get("ranking", Ranking()), others.get("state", model.start(len(longest)))
    rules = Rules(eos=EOS, longest=longest, prefix=others.get("prefix"), strikes=(Banned((BOS,)), *strikes))
    return SearchProblem(model.step, state, BOS, rules, ranking)


def find(one: SearchProblem[History], options: DecodingConfig, **inputs: object) -> list[list[Hypothesis]]:
    """What a search with these options finds; sentence n is drawn for with seed (7, n)."""
    count = len(one.rules.longest)
    return search(one, options, **{"seeds": [(7, n) for n in range(count)], "draws": 6, **inputs})
