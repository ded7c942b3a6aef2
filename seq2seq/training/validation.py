"""Validation: perplexity and BLEU on held-out sentences, and what the translations look like."""

import math
from dataclasses import dataclass

import torch

from seq2seq.corpus.pairs import Pair, with_references
from seq2seq.decoding.scoring import token_log_probs
from seq2seq.decoding.system import System
from seq2seq.evaluation.metrics import bleu, exact_match

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


def validate(system: System, pairs: list[Pair]) -> Validation:
    """Scores a model on the first validation pairs and leaves it in training mode."""
    pairs = [pair for pair in pairs[:_SENTENCES] if pair.src.strip()]
    system.model.eval()
    # Greedy search sees every validation; the full beam is for the test set.
    options = system.config.decoding.greedy()
    sources, references = with_references(pairs, grouped=system.config.data.of_pictures)
    outputs = [output.text for output in system.best(sources, options)]
    perplexity = _perplexity(system, pairs)
    system.model.train()
    stride = max(1, len(sources) // _SAMPLES)
    samples = [Pair(source, own[0]) for source, own in zip(sources, references, strict=True)]
    return Validation(
        perplexity=perplexity,
        bleu=bleu(outputs, references),
        exact_match=exact_match(outputs, references),
        samples=list(zip(samples, outputs, strict=True))[::stride][:_SAMPLES],
    )


def _perplexity(system: System, pairs: list[Pair]) -> float:
    longest = system.config.data.max_tokens
    targets = [system.vocabularies.tgt.encode(pair.tgt)[:longest] for pair in pairs]
    tokens = torch.cat(token_log_probs(system, [pair.src for pair in pairs], targets))
    return math.exp(min(-float(tokens.double().mean()), 700))
