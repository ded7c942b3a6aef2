"""The choice among the ways to search.

Search knows nothing of words, layers or attention. It drives a function ``step(token, state) ->
(logits, state)`` and reorders the state by ``state.select(rows, sources)``, nothing else.
"""

from collections.abc import Sequence

from torch import Tensor

from seq2seq.config import DecodingConfig
from seq2seq.search.beam import beam_search, diverse_beam_search
from seq2seq.search.constrained import constrained_search
from seq2seq.search.hypothesis import Hypothesis
from seq2seq.search.problem import S, SearchProblem
from seq2seq.search.rules import Phrase
from seq2seq.search.sampling import Sampling, sample


def search(
    problem: SearchProblem[S],
    options: DecodingConfig,
    *,
    seeds: Sequence[Sequence[int]] = (),
    draws: int = 1,
    required: Sequence[Sequence[Phrase]] = (),
    word_start: Tensor | None = None,
) -> list[list[Hypothesis]]:
    """Outputs for each sentence, best first: one from greedy search, up to K from a beam of K.

    Args:
        problem: N sentences.
        options: how to search.
        seeds: of each sentence, for sampling.
        draws: how many outputs sampling makes for each sentence.
        required: phrases that each sentence's outputs have to contain; empty: none.
        word_start: which tokens begin a word, (V,); needed where phrases are required.
    """
    if options.sample:
        sampling = Sampling(temperature=options.temperature, top_k=options.top_k, top_p=options.top_p)
        return sample(problem, sampling, seeds, draws=draws)
    if word_start is not None and any(required):
        return constrained_search(problem, width=options.beam, required=required, word_start=word_start)
    if options.diverse_groups > 1:
        return diverse_beam_search(
            problem,
            width=options.beam,
            groups=options.diverse_groups,
            diversity=options.diversity,
        )
    return beam_search(problem, width=options.beam)
