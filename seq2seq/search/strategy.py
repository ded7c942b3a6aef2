"""Search for good outputs, in the way that the settings ask for.

Search knows nothing of words, layers or attention. It drives a function ``step(token, state) ->
(logits, state)`` and reorders the state by ``state.select(index)``, nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from seq2seq.config import DecodingConfig
from seq2seq.search.beam import beam_search, diverse_beam_search
from seq2seq.search.constrained import Phrase, constrained_search
from seq2seq.search.greedy import greedy_search
from seq2seq.search.hypothesis import Hypothesis, Ranking, S, Step
from seq2seq.search.rules import Rules
from seq2seq.search.sampling import Sampling, sample


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchInputs:
    """What is searched for, besides what the settings say."""

    bos: int
    vocabulary: int
    """Its size."""
    seeds: Sequence[Sequence[int]] = ()
    """Of each sentence, for sampling."""
    draws: int = 1
    """How many outputs sampling makes."""
    required: Sequence[Sequence[Phrase]] = ()
    """Phrases that each sentence's outputs have to hold; empty: nothing is required."""
    word_start: Tensor | None = None
    """Tokens before which a word is complete, (V,), where something is required."""


def search(
    step: Step[S], state: S, rules: Rules, options: DecodingConfig, task: SearchInputs
) -> list[list[Hypothesis]]:
    """Outputs for each sentence, best first: one from greedy search, up to K from a beam of K.

    Args:
        step: token (R,) and state of R rows → logits (R, V) and the state after that token.
        state: N rows, one for each sentence.
        rules: what outputs may look like.
        options: how to search.
        task: the rest.
    """
    ranking = Ranking(normalisation=options.normalisation, length_penalty=options.length_penalty)
    common = step, state, task.bos, rules, ranking
    if options.sample:
        sampling = Sampling(temperature=options.temperature, top_k=options.top_k, top_p=options.top_p)
        return sample(*common, sampling, task.seeds, draws=task.draws)
    if task.word_start is not None and any(task.required):
        return constrained_search(*common, width=options.beam, required=task.required, word_start=task.word_start)
    if options.diverse_groups > 1:
        return diverse_beam_search(
            *common,
            width=options.beam,
            groups=options.diverse_groups,
            diversity=options.diversity,
            vocabulary=task.vocabulary,
        )
    if options.beam == 1:
        return [[found] for found in greedy_search(*common)]
    return beam_search(*common, width=options.beam)
