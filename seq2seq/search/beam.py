"""Beam search, plain and in diverse groups.

Shapes: ``N`` sentences, ``K`` beam, ``R`` live hypotheses of all sentences, ``C`` extensions that a step keeps,
``V`` vocabulary, ``T`` tokens so far.
"""

from typing import Generic

import torch
from torch import Tensor

from seq2seq.search.hypothesis import Hypothesis, best_first, best_tokens, log_softmax
from seq2seq.search.problem import S, SearchProblem


class Beam(Generic[S]):
    """The live hypotheses of some sentences, and those that are complete.

    Left-to-right beam search (Sutskever et al. 2014, §3.2). A hypothesis that takes the end mark leaves the beam
    and its slot is not filled again, so the beam narrows as outputs are completed, and a sentence is done
    when none is left: that is the stopping criterion. Beam 1 is greedy search; a beam as wide as there are outputs
    finds them all.

    Args:
        problem: N sentences.
        width: K.
    """

    def __init__(self, problem: SearchProblem[S], width: int) -> None:
        count, device = len(problem.rules.longest), problem.rules.longest.device
        self.problem, self.width = problem, width
        self.complete: list[list[Hypothesis]] = [[] for _ in range(count)]
        self.open_slots = torch.full((count,), width, device=device)  # (N,) not taken by complete hypotheses
        # Live hypotheses: rows stay grouped by sentence, best first within one.
        self.state = problem.state  # R rows
        self.sentence = torch.arange(count, device=device)  # (R,)
        self.token = torch.full((count,), problem.bos, device=device)  # (R,) the last one
        self.tokens = torch.empty((count, 0), dtype=torch.long, device=device)  # (R, T) without the begin mark
        self.total: Tensor | None = None  # (R,) log-probabilities; None before the first step

    @property
    def live(self) -> bool:
        """Whether any hypothesis can be extended."""
        return len(self.sentence) > 0

    def run(self) -> list[list[Hypothesis]]:
        """Extends hypotheses until all are complete; those of each sentence, best first."""
        while self.live:
            self.advance()
        return list(map(best_first, self.complete))

    def advance(self, penalty: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Extends the live hypotheses by one token and keeps the best extensions.

        Args:
            penalty: (N, V), what a token costs more in this step when extensions are chosen; their own
                log-probability does not change.

        Returns:
            Sentence and new token of the extensions that were kept, the complete ones included, (C,) each.
        """
        rules = self.problem.rules
        # 1. Score all next tokens (R, V). What the rules forbid is -inf, so it is never chosen.
        logits, self.state = self.problem.step(self.token, self.state)
        log_probs = rules.apply(log_softmax(logits), self.tokens, self.sentence)

        # 2. Choose: the extensions of a sentence compete, whichever hypothesis they extend.
        parent, token = self.choose(log_probs if penalty is None else log_probs - penalty[self.sentence])

        # 3. Sum up without the penalty, since scores have to be the model's own.
        sentence, total = self.sentence[parent], log_probs[parent, token]
        if self.total is not None:
            total = total + self.total[parent]
        kept = sentence, token

        # 4. Set complete hypotheses aside. Their slots stay closed, or worse and worse outputs would fill them.
        ended = token == rules.eos
        if ended.any():
            for row in ended.nonzero().flatten().tolist():
                output = self.problem.ranking.complete(self.tokens[parent[row]], total[row])
                self.complete[int(sentence[row])].append(output)
            self.open_slots = self.open_slots.index_add(0, sentence, -ended.long())
            going = (~ended).nonzero().flatten()
            parent, token, total, sentence = parent[going], token[going], total[going], sentence[going]

        # 5. Go on with the others. A hypothesis may be the parent of several rows, or of none.
        self.token, self.total, self.sentence = token, total, sentence
        self.reorder(parent)
        return kept

    def choose(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """The best extensions: the row that each extends and the token it takes, (C,) each.

        Args:
            values: of each token for each row, (R, V).
        """
        # The K best of a sentence are among the K best of each of its hypotheses.
        best, tokens = best_tokens(values, min(self.width, values.shape[1]))
        sums = best if self.total is None else best + self.total.unsqueeze(1)
        parent, column = _best_of_each_sentence(sums, self.sentence, self.open_slots)
        return parent, tokens[parent, column]

    def reorder(self, parent: Tensor) -> None:
        """Gives each new row the history of the row that it extends, ``parent`` (R,), and its own token."""
        self.tokens = torch.cat([self.tokens[parent], self.token.unsqueeze(1)], dim=1)
        self.state = self.state.select(parent)


def beam_search(problem: SearchProblem[S], *, width: int) -> list[list[Hypothesis]]:
    """Up to ``width`` outputs for each sentence, best first; see :class:`Beam`."""
    return Beam(problem, width).run()


def diverse_beam_search(
    problem: SearchProblem[S], *, width: int, groups: int, diversity: float, vocab_size: int
) -> list[list[Hypothesis]]:
    """Beams that avoid one another's words (Vijayakumar et al. 2018, eq. 5, with Hamming diversity).

    At each step the groups choose one after the other, and a token costs a group ``diversity`` for each
    hypothesis of an earlier group that has just taken it for the same sentence.

    Args:
        problem: N sentences.
        width: of all groups together.
        groups: how many, a divisor of ``width``.
        diversity: λ, in nats.
        vocab_size: V.
    """
    beams, longest = [Beam(problem, width // groups) for _ in range(groups)], problem.rules.longest
    while any(beam.live for beam in beams):
        penalty = torch.zeros(len(longest), vocab_size, device=longest.device)
        for beam in beams:
            if beam.live:
                penalty.index_put_(beam.advance(penalty), penalty.new_tensor(diversity), accumulate=True)
    merged = []
    for outputs_of_groups in zip(*(beam.run() for beam in beams), strict=True):
        unique = {output.tokens: output for outputs in outputs_of_groups for output in outputs}
        merged.append(best_first(unique.values()))
    return merged


def _best_of_each_sentence(values: Tensor, sentence: Tensor, open_slots: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of the ``open_slots[n]`` best finite values of each sentence n, grouped by sentence, best first.

    Args:
        values: of the extensions of each row, (R, J).
        sentence: of each row, in ascending order, (R,).
        open_slots: how many extensions a sentence may keep, (N,).
    """
    rows, columns = values.shape
    # All extensions of a sentence go into one line of a table whose gaps are -inf.
    sentences, line = sentence.unique_consecutive(return_inverse=True)
    first = torch.searchsorted(sentence, sentences)  # the first row of each line
    rank = torch.arange(rows, device=values.device) - first[line]
    width = int(rank.max()) + 1
    table = torch.full((len(sentences), width, columns), -torch.inf, dtype=values.dtype, device=values.device)
    table[line, rank] = values
    best, index = table.flatten(1).topk(min(int(open_slots.max()), width * columns), dim=1)
    kept = torch.arange(best.shape[1], device=values.device) < open_slots[sentences].unsqueeze(1)
    line, place = (kept & (best > -torch.inf)).nonzero(as_tuple=True)
    winner = index[line, place]
    return first[line] + winner // columns, winner % columns
