"""Validation: perplexity and BLEU on held-out sentences, and what the translations look like."""

import math
from dataclasses import dataclass

import torch

from seq2seq.config import Config
from seq2seq.corpus.batching import collate
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.subword import PAD, Vocabularies
from seq2seq.decoding.translator import Translator
from seq2seq.evaluation.metrics import bleu, exact_match
from seq2seq.model.compute import Compute
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.training.objective import cross_entropy

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


def validate(
    model: Seq2Seq, pairs: list[Pair], vocabularies: Vocabularies, config: Config, compute: Compute
) -> Validation:
    """Scores a model on the first validation pairs and leaves it in training mode."""
    pairs = [pair for pair in pairs[:_SENTENCES] if pair.src.strip()]
    model.eval()
    translator = Translator(model, vocabularies, config, compute)
    # Greedy search sees every validation; the full beam is for the test set.
    options = config.decoding.greedy()
    outputs = [translation.text for translation in translator.translate([pair.src for pair in pairs], options)]
    perplexity = _perplexity(translator, pairs)
    model.train()
    stride = max(1, len(pairs) // _SAMPLES)
    references = [pair.tgt for pair in pairs]
    return Validation(
        perplexity=perplexity,
        bleu=bleu(outputs, references),
        exact_match=exact_match(outputs, references),
        samples=list(zip(pairs, outputs, strict=True))[::stride][:_SAMPLES],
    )


def _perplexity(translator: Translator, pairs: list[Pair]) -> float:
    longest = translator.config.data.max_tokens
    vocabularies = translator.vocabularies
    encoded = sorted(
        ((vocabularies.src.encode(pair.src)[:longest], vocabularies.tgt.encode(pair.tgt)[:longest]) for pair in pairs),
        key=lambda ids: len(ids[0]),
    )
    nll = tokens = 0.0
    with torch.inference_mode(), translator.compute.autocast():
        for start in range(0, len(encoded), 64):
            sources, targets = zip(*encoded[start : start + 64], strict=True)
            batch = collate(sources, targets, reverse=translator.config.model.reverse_source)
            batch = batch.to(translator.compute.device)
            features = translator.model(batch)
            nll += float(cross_entropy(features, translator.model.decoder.output, batch.tgt_out, smoothing=0.0).nll)
            tokens += int((batch.tgt_out != PAD).sum())
    return math.exp(min(nll / max(tokens, 1), 700))
