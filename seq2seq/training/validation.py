"""Validation: perplexity and BLEU on held-out sentences, and what the translations look like."""

import math
from dataclasses import dataclass

from seq2seq.corpus.pairs import Pair, with_references
from seq2seq.decoding.predictor import Predictor
from seq2seq.decoding.scoring import token_log_probs
from seq2seq.evaluation.metrics import bleu, exact_match
from seq2seq.training.distributed import World

# More sentences would make the choice of the best model no better and training longer.
_SENTENCES = 1000
_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class Validation:
    """What one validation found."""

    perplexity: float
    """Per target token, without label smoothing."""
    bleu: float
    """Of greedy outputs."""
    exact_match: float
    """Share of greedy outputs that equal their reference: the accuracy, where targets are labels."""
    samples: list[tuple[Pair, str]]

    def scores(self) -> dict[str, float]:
        """The numbers, for logs and manifests."""
        return {"perplexity": self.perplexity, "bleu": self.bleu, "exact_match": self.exact_match}

    def result(self, metric: str) -> list[float]:
        """What training tries to raise, compared from left to right: equal BLEU is settled by perplexity."""
        return [self.bleu, -self.perplexity] if metric == "bleu" else [-self.perplexity]


def validate(predictor: Predictor, pairs: list[Pair], world: World) -> Validation:
    """Scores a model on the first validation pairs and leaves it in training mode.

    Each process takes its share of the pairs, and all come to the same result.
    """
    pairs = [pair for pair in pairs[:_SENTENCES] if pair.src.strip()]
    predictor.model.eval()
    # Greedy search sees every validation; the full beam is for the test set.
    options = predictor.config.decoding.greedy()
    sources, references = with_references(pairs, grouped=predictor.config.data.reads_images)
    outputs = world.interleave([output.text for output in predictor.best(world.share(sources), options)])
    perplexity = _perplexity(predictor, pairs, world)
    predictor.model.train()
    stride = max(1, len(sources) // _SAMPLES)
    samples = [Pair(source, own[0]) for source, own in zip(sources, references, strict=True)]
    return Validation(
        perplexity=perplexity,
        bleu=bleu(outputs, references),
        exact_match=exact_match(outputs, references),
        samples=list(zip(samples, outputs, strict=True))[::stride][:_SAMPLES],
    )


def _perplexity(predictor: Predictor, pairs: list[Pair], world: World) -> float:
    longest, own = predictor.config.data.max_tokens, world.share(pairs)
    targets = [predictor.vocabularies.tgt.encode(pair.tgt)[:longest] for pair in own]
    found = token_log_probs(predictor, [pair.src for pair in own], targets)
    tokens = [log_prob for each in world.interleave([each.tolist() for each in found]) for log_prob in each]
    return math.exp(min(-math.fsum(tokens) / len(tokens), 700))
