"""Validation: perplexity, a score of the outputs and samples of the outputs on held-out sentences."""

import math
from dataclasses import dataclass
from itertools import islice

from seq2seq.config import Config
from seq2seq.corpus.pairs import Pair, with_references
from seq2seq.decoding.predictor import Predictor
from seq2seq.decoding.scoring import as_read, token_log_probs
from seq2seq.errors import ConfigError
from seq2seq.metrics.criterion import Criterion
from seq2seq.metrics.scores import exact_match
from seq2seq.training.distributed import World

# More would take longer without a better choice of the best model.
_SENTENCES = 1000
_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class Validation:
    """Scores of one validation."""

    perplexity: float
    """Per target token, without label smoothing."""
    score: float
    """Of greedy outputs, by the criterion."""
    exact_match: float
    """Share of greedy outputs that equal a reference; where targets are labels this is the accuracy."""
    samples: list[tuple[Pair, str]]
    cut: int
    """Greedy outputs as long as outputs may be."""
    criterion: Criterion

    def scores(self) -> dict[str, float]:
        """The numbers, for logs and manifests."""
        return {"perplexity": self.perplexity, self.criterion.key: self.score, "exact_match": self.exact_match}

    def result(self, metric: str) -> list[float]:
        """What the best model has the greatest of, compared from left to right: perplexity breaks ties."""
        if metric == "perplexity":
            return [-self.perplexity]
        return [self.criterion.quality(self.score), -self.perplexity]


def criterion_of(config: Config, pairs: list[Pair]) -> Criterion:
    """What the models of a training are judged by, which its validation pairs decide.

    Raises:
        ConfigError: the tokeniser is not installed, or BLEU is asked for where there are no 4-grams.
    """
    references = with_references(_scored(pairs), grouped=config.data.several_references)[1]
    criterion = Criterion.of(config, references)
    if config.training.validation_metric == "bleu" != criterion.metric:
        raise ConfigError(
            'training.validation_metric = "bleu" means nothing here: expected references of at least four tokens, '
            f'found none (evaluation.tokenize = "{criterion.evaluation.tokenize}"); set it to auto, chrf or exact-match'
        )
    return criterion


def validate(predictor: Predictor, pairs: list[Pair], world: World, criterion: Criterion) -> Validation:
    """Scores a model that is being trained on the first validation pairs that are not blank.

    Each rank takes its share of the pairs; the result is the same on all.
    """
    pairs = _scored(pairs)
    predictor = predictor.snapshot()
    # Greedy search is fast enough for every validation; evaluation on the test set uses the full beam.
    options = predictor.config.decoding.greedy()
    sources, references = with_references(pairs, grouped=predictor.config.data.several_references)
    translations = world.interleave(predictor.best(world.share(sources), options))
    outputs = [translation.text for translation in translations]
    perplexity = _perplexity(predictor, pairs, world)
    shown = range(0, len(sources), max(1, len(sources) // _SAMPLES))[:_SAMPLES]
    return Validation(
        perplexity=perplexity,
        score=criterion.score(outputs, references),
        exact_match=exact_match(outputs, references, criterion.evaluation),
        samples=[(Pair(sources[row], references[row][0]), outputs[row]) for row in shown],
        cut=sum(translation.cut for translation in translations),
        criterion=criterion,
    )


def _scored(pairs: list[Pair]) -> list[Pair]:
    return list(islice((pair for pair in pairs if pair.src.strip()), _SENTENCES))


def _perplexity(predictor: Predictor, pairs: list[Pair], world: World) -> float:
    """Per target token, end mark included."""
    longest, share = predictor.config.data.max_tokens, [as_read(predictor, pair) for pair in world.share(pairs)]
    targets = [predictor.vocabularies.tgt.encode(pair.tgt)[:longest] for pair in share]
    scores = token_log_probs(predictor, [pair.src for pair in share], targets)
    log_probs = [log_prob for row in world.interleave([row.tolist() for row in scores]) for log_prob in row]
    return math.exp(min(-math.fsum(log_probs) / len(log_probs), 700))
