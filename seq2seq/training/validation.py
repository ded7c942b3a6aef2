"""Validation: perplexity, BLEU and samples of the outputs on held-out sentences."""

import math
from dataclasses import dataclass
from itertools import islice

from seq2seq.corpus.pairs import Pair, with_references
from seq2seq.decoding.predictor import Predictor
from seq2seq.decoding.scoring import token_log_probs
from seq2seq.evaluation.metrics import bleu, exact_match
from seq2seq.training.distributed import World

# More would take longer without a better choice of the best model.
_SENTENCES = 1000
_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class Validation:
    """Scores of one validation."""

    perplexity: float
    """Per target token, without label smoothing."""
    bleu: float
    """Of greedy outputs."""
    exact_match: float
    """Share of greedy outputs that equal a reference; where targets are labels this is the accuracy."""
    samples: list[tuple[Pair, str]]

    def scores(self) -> dict[str, float]:
        """The numbers, for logs and manifests."""
        return {"perplexity": self.perplexity, "bleu": self.bleu, "exact_match": self.exact_match}

    def result(self, metric: str) -> list[float]:
        """What the best model has the greatest of, compared from left to right: perplexity breaks ties of BLEU."""
        return [self.bleu, -self.perplexity] if metric == "bleu" else [-self.perplexity]


def validate(predictor: Predictor, pairs: list[Pair], world: World) -> Validation:
    """Scores a model that is being trained on the first validation pairs that are not blank.

    Each rank takes its share of the pairs; the result is the same on all.
    """
    pairs = list(islice((pair for pair in pairs if pair.src.strip()), _SENTENCES))
    predictor = predictor.snapshot()
    # Greedy search is fast enough for every validation; evaluation on the test set uses the full beam.
    options = predictor.config.decoding.greedy()
    sources, references = with_references(pairs, grouped=predictor.config.data.reads_images)
    outputs = world.interleave([output.text for output in predictor.best(world.share(sources), options)])
    perplexity = _perplexity(predictor, pairs, world)
    shown = range(0, len(sources), max(1, len(sources) // _SAMPLES))[:_SAMPLES]
    return Validation(
        perplexity=perplexity,
        bleu=bleu(outputs, references),
        exact_match=exact_match(outputs, references),
        samples=[(Pair(sources[row], references[row][0]), outputs[row]) for row in shown],
    )


def _perplexity(predictor: Predictor, pairs: list[Pair], world: World) -> float:
    """Per target token, end mark included."""
    longest, share = predictor.config.data.max_tokens, world.share(pairs)
    targets = [predictor.vocabularies.tgt.encode(pair.tgt)[:longest] for pair in share]
    scores = token_log_probs(predictor, [pair.src for pair in share], targets)
    log_probs = [log_prob for row in world.interleave([row.tolist() for row in scores]) for log_prob in row]
    return math.exp(min(-math.fsum(log_probs) / len(log_probs), 700))
