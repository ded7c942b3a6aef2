"""Beam search, plain and in diverse groups.

Shapes: ``N`` sentences, ``K`` beam, ``R`` live hypotheses of all sentences, ``V`` vocabulary, ``T`` tokens so far.
"""

from typing import Generic

import torch
from torch import Tensor

from seq2seq.search.hypothesis import Hypothesis, Ranking, S, Step, best_tokens, hypothesis, log_softmax
from seq2seq.search.rules import Rules


class Beam(Generic[S]):
    """The live hypotheses of some sentences, and those that are complete.

    Left-to-right beam search (Sutskever et al. 2014, §3.2). A hypothesis that takes the end mark leaves the beam
    and its place is not filled again, so the beam narrows as outputs are completed, and a sentence is done
    when none is left: that is the rule for stopping. Beam 1 is greedy search; a beam as wide as there are outputs
    finds them all.

    Args:
        step: as :func:`seq2seq.search.greedy.greedy_search` takes it.
        state: N rows, one for each sentence.
        bos: the begin mark.
        rules: for N sentences.
        ranking: of complete hypotheses.
        width: K.
    """

    def __init__(self, step: Step[S], state: S, bos: int, rules: Rules, ranking: Ranking, width: int) -> None:
        count, device = len(rules.longest), rules.longest.device
        self.step, self.state, self.rules, self.ranking, self.width = step, state, rules, ranking, width
        self.complete: list[list[Hypothesis]] = [[] for _ in range(count)]
        # Which sentence each live hypothesis extends. Rows stay grouped by sentence, best first within one.
        self.sentence = torch.arange(count, device=device)
        self.token = torch.full((count,), bos, device=device)
        self.tokens = torch.empty((count, 0), dtype=torch.long, device=device)
        self.total: Tensor | None = None  # log-probability of each live hypothesis; 0 before the first step
        self.open_slots = torch.full((count,), width, device=device)  # still open, for each sentence

    @property
    def live(self) -> bool:
        """Whether anything is left to extend."""
        return len(self.sentence) > 0

    def advance(self, penalty: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Extends the live hypotheses by one token and keeps the best.

        Args:
            penalty: (N, V), what a token costs more in this step when hypotheses are chosen; their own
                log-probability does not change.

        Returns:
            Sentence and new token of each hypothesis that was kept, the complete ones included.
        """
        logits, self.state = self.step(self.token, self.state)
        log_probs = self.rules.apply(log_softmax(logits), self.tokens, self.sentence)
        parent, token = self.choose(log_probs if penalty is None else log_probs - penalty[self.sentence])
        sentence, total = self.sentence[parent], log_probs[parent, token]
        self._keep(parent, token, total if self.total is None else total + self.total[parent])
        return sentence, token

    def choose(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """The best ways to go on: the row each extends and the token it takes.

        Args:
            value: of each token for each row, (R, V).
        """
        # The K best of a sentence are among the K best of each of its hypotheses.
        best, choice = best_tokens(value, min(self.width, value.shape[1]))
        sums = best if self.total is None else best + self.total.unsqueeze(1)
        parent, column = _best_of_each_sentence(sums, self.sentence, self.open_slots)
        return parent, choice[parent, column]

    def found(self) -> list[list[Hypothesis]]:
        """Complete outputs of each sentence, best first."""
        return [sorted(outputs, key=lambda output: -output.score) for outputs in self.complete]

    def _keep(self, parent: Tensor, token: Tensor, total: Tensor) -> None:
        """Goes on with the chosen extensions and puts aside those that are complete."""
        sentence = self.sentence[parent]
        ended = token == self.rules.eos
        if ended.any():
            for row in ended.nonzero().flatten().tolist():
                output = hypothesis(self.tokens[parent[row]], total[row], self.ranking)
                self.complete[int(sentence[row])].append(output)
            self.open_slots = self.open_slots.index_add(0, sentence, -ended.long())
            going = (~ended).nonzero().flatten()
            parent, token, total, sentence = parent[going], token[going], total[going], sentence[going]
        self.tokens = torch.cat([self.tokens[parent], token.unsqueeze(1)], dim=1)
        self.token, self.total, self.sentence = token, total, sentence
        self.state = self.state.select(parent)


def beam_search(
    step: Step[S], state: S, bos: int, rules: Rules, ranking: Ranking, *, width: int
) -> list[list[Hypothesis]]:
    """Up to ``width`` outputs for each sentence, best first; see :class:`Beam`."""
    beam = Beam(step, state, bos, rules, ranking, width)
    while beam.live:
        beam.advance()
    return beam.found()


def diverse_beam_search(
    step: Step[S],
    state: S,
    bos: int,
    rules: Rules,
    ranking: Ranking,
    *,
    width: int,
    groups: int,
    diversity: float,
    vocabulary: int,
) -> list[list[Hypothesis]]:
    """Beams that avoid one another's words (Vijayakumar et al. 2018, eq. 5, with Hamming diversity).

    At each step the groups choose one after the other, and a token costs a group ``diversity`` for each
    hypothesis of an earlier group that has just taken it for the same sentence.

    Args:
        step: see :class:`Beam`.
        state: likewise.
        bos: likewise.
        rules: likewise.
        ranking: likewise.
        width: of all groups together.
        groups: how many, a divisor of ``width``.
        diversity: λ, in nats.
        vocabulary: V.
    """
    beams = [Beam(step, state, bos, rules, ranking, width // groups) for _ in range(groups)]
    while any(beam.live for beam in beams):
        penalty = torch.zeros(len(rules.longest), vocabulary, device=rules.longest.device)
        for beam in beams:
            if beam.live:
                taken = beam.advance(penalty)
                penalty.index_put_(taken, penalty.new_tensor(diversity), accumulate=True)
    merged: list[list[Hypothesis]] = []
    for found in zip(*(beam.found() for beam in beams), strict=True):
        unique = {output.tokens: output for outputs in found for output in outputs}
        merged.append(sorted(unique.values(), key=lambda output: -output.score))
    return merged


def _best_of_each_sentence(total: Tensor, sentence: Tensor, open_slots: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of the ``open_slots[n]`` best finite candidates of each sentence n, grouped by sentence.

    Args:
        total: values of the candidates, (R, C).
        sentence: (R,) sentence of each row, in ascending order.
        open_slots: (N,) how many candidates a sentence may keep.
    """
    rows, columns = total.shape
    # Each sentence's candidates go side by side into one line of a table whose gaps are -inf.
    groups, group = sentence.unique_consecutive(return_inverse=True)
    first = torch.searchsorted(sentence, groups)
    rank = torch.arange(rows, device=total.device) - first[group]
    width = int(rank.max()) + 1
    table = torch.full((len(groups), width, columns), -torch.inf, dtype=total.dtype, device=total.device)
    table[group, rank] = total
    best, flat = table.flatten(1).topk(min(int(open_slots.max()), width * columns), dim=1)
    kept = (torch.arange(best.shape[1], device=total.device) < open_slots[groups].unsqueeze(1)) & (best > -torch.inf)
    line, place = kept.nonzero(as_tuple=True)
    winner = flat[line, place]
    return first[line] + winner // columns, winner % columns
