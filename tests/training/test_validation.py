"""Validation: what it scores and how, and which of two results is better."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from seq2seq.config import (
    Config,
    DataConfig,
    DecodingConfig,
    EvaluationConfig,
    ModelConfig,
    SubwordConfig,
    TrainingConfig,
)
from seq2seq.corpus.batching import collate
from seq2seq.corpus.pairs import Pair
from seq2seq.corpus.subword import PAD, Subword, Vocabularies
from seq2seq.corpus.target_lengths import TargetLengths
from seq2seq.decoding.readers import Member
from seq2seq.decoding.translator import Translator
from seq2seq.device import DeviceSpec
from seq2seq.errors import ConfigError
from seq2seq.metrics.criterion import Criterion
from seq2seq.model.build import build_model
from seq2seq.training import validation
from seq2seq.training.distributed import World
from seq2seq.training.objective import cross_entropy
from seq2seq.training.state import TrainerState
from seq2seq.training.validation import Validation, criterion_of, validate

CONFIG = Config(training=TrainingConfig(max_updates=1))
IMAGES = ModelConfig(encoder="image", bridge="first-input", tie_embeddings="target")


@dataclass
class Predictor:
    """Answers each source with itself in capitals and gives every token of a target the same probability."""

    config: Config = CONFIG
    log_prob: float = -1.0
    model: nn.Module = field(default_factory=nn.Module)
    vocabularies: Any = field(
        default_factory=lambda: SimpleNamespace(tgt=SimpleNamespace(encode=lambda text: list(text.encode())))
    )
    read: list[str] = field(default_factory=list)
    scored: list[tuple[str, int]] = field(default_factory=list)

    def snapshot(self) -> "Predictor":
        return replace(self, model=nn.Module().eval())

    def best(self, sources: Sequence[str], options: DecodingConfig) -> list[Any]:
        assert not self.model.training
        assert options == self.config.decoding.greedy()
        self.read.extend(sources)
        return [SimpleNamespace(text=source.upper(), cut=False) for source in sources]


@pytest.fixture(autouse=True)
def _scored(monkeypatch: pytest.MonkeyPatch) -> None:
    def score(predictor: Predictor, sources: list[str], targets: list[list[int]]) -> list[Tensor]:
        if isinstance(predictor, Translator):
            return real(predictor, sources, targets)
        assert not predictor.model.training
        predictor.scored.extend((source, len(target)) for source, target in zip(sources, targets, strict=True))
        return [torch.full((len(target) + 1,), predictor.log_prob) for target in targets]

    real = validation.token_log_probs
    monkeypatch.setattr(validation, "token_log_probs", score)


def pairs(count: int) -> list[Pair]:
    """Every other output of the predictor is right."""
    return [Pair(f"s{row}", f"S{row}" if row % 2 else "no") for row in range(count)]


def validated(predictor: Any, rows: list[Pair], world: World | None = None) -> Validation:
    return validate(predictor, rows, world or World(), criterion_of(predictor.config, rows))


def judged(metric: str) -> Criterion:
    return Criterion(metric, EvaluationConfig(tokenize="13a"))


@pytest.mark.parametrize("metric", ["bleu", "chrf", "exact-match", "cer", "wer"])
def test_a_better_score_or_a_lower_perplexity_is_better(metric: str) -> None:
    low, high = Validation(9.0, 20.0, 0.0, [], 0, judged(metric)), Validation(9.0, 30.0, 0.0, [], 0, judged(metric))
    worse, better = (high, low) if metric in ("cer", "wer") else (low, high)
    assert better.result(metric) > worse.result(metric)
    # Equal scores are settled by perplexity; perplexity alone knows nothing of scores.
    assert replace(worse, perplexity=8.0).result(metric) > worse.result(metric)
    assert replace(worse, perplexity=99.0).result(metric) < better.result(metric)
    assert low.result("perplexity") == high.result("perplexity") < replace(worse, perplexity=8.0).result("perplexity")


def test_only_a_greater_result_is_the_new_best() -> None:
    state = TrainerState()
    results = [[1.0], [1.0], [0.5], [2.0], [1.9], [2.0]]
    assert [state.add_result(result) for result in results] == [True, False, False, True, False, False]
    assert (state.best, state.stale) == ([2.0], 2)


@pytest.mark.parametrize("metric", ["chrf", "perplexity"])
def test_what_is_validated_is_greedy_whatever_decoding_says(metric: str) -> None:
    """The stub checks the options that it is given."""
    decoding = DecodingConfig(beam=12, length_penalty=0.3, no_repeat_ngram=2, max_length=77)
    config = replace(CONFIG, decoding=decoding, training=TrainingConfig(max_updates=1, validation_metric=metric))
    predictor = Predictor(config)
    assert config.decoding.greedy() == DecodingConfig(beam=1, max_length=77)
    validated(predictor, pairs(3))
    assert predictor.read == ["s0", "s1", "s2"]
    assert predictor.model.training


def test_bleu_that_cannot_judge_is_refused() -> None:
    config = replace(CONFIG, training=TrainingConfig(max_updates=1, validation_metric="bleu"))
    with pytest.raises(ConfigError, match=r'validation_metric = "bleu" means nothing here: .* set it to auto'):
        criterion_of(config, pairs(9))
    assert criterion_of(config, [Pair("a", "b c d e"), *pairs(9)]).metric == "bleu"


def test_scores_are_of_the_first_thousand_pairs_that_are_not_blank() -> None:
    rows = [Pair("", "x")] * 1000 + [*pairs(600), Pair("", "x"), Pair(" \t", "x"), *pairs(600)]
    predictor = Predictor()
    found = validated(predictor, rows)
    assert predictor.read == [pair.src for pair in rows if pair.src.strip()][:1000]
    assert [source for source, _ in predictor.scored] == predictor.read
    assert found.exact_match == 0.5
    assert found.scores() == {"perplexity": found.perplexity, "chrf": found.score, "exact_match": found.exact_match}


def test_perplexity_is_per_token_and_end_mark() -> None:
    predictor = Predictor(log_prob=-1.5)
    assert validated(predictor, pairs(3)).perplexity == pytest.approx(math.exp(1.5))
    assert [length for _, length in predictor.scored] == [2, 2, 2]


def test_long_targets_are_cut_and_hopeless_perplexities_finite() -> None:
    predictor = Predictor(replace(CONFIG, data=DataConfig(max_tokens=3)), log_prob=-5000.0)
    found = validated(predictor, [Pair("a", "b" * 9)])
    assert predictor.scored == [("a", 3)]
    assert found.perplexity == pytest.approx(math.exp(700))


def test_bleu_is_that_of_the_outputs() -> None:
    right = [Pair("a b c d e", "A B C D E"), Pair("f g h i j", "F G H I J")]
    assert validated(Predictor(), right).score == pytest.approx(100)
    assert 0 < validated(Predictor(), [right[0], Pair("f g h i j", "F G H I K")]).score < 100
    assert validated(Predictor(), [Pair("a b c d e", "v w x y z")]).score == 0


@pytest.mark.parametrize(("count", "rows"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (8, [0, 2, 4]), (9, [0, 3, 6])])
def test_samples_are_spread_over_the_pairs(count: int, rows: list[int]) -> None:
    shown = pairs(count)
    assert validated(Predictor(), shown).samples == [(shown[row], shown[row].src.upper()) for row in rows]


def test_references_of_one_picture_come_together() -> None:
    images = replace(CONFIG, data=DataConfig(format="pictures"), model=IMAGES)
    captions = [Pair("one", "x"), Pair("two", "TWO"), Pair("one", "ONE")]
    predictor = Predictor(images)
    found = validated(predictor, captions)
    assert predictor.read == ["one", "two"]
    assert found.exact_match == 1.0
    assert found.samples == [(Pair("one", "x"), "ONE"), (Pair("two", "TWO"), "TWO")]
    # The loss is of all captions, as in training.
    assert [source for source, _ in predictor.scored] == ["one", "two", "one"]


class Other(World):
    """Rank 1 of two, to which rank 0 gives what it would have answered."""

    def interleave(self, items: Sequence[Any]) -> list[Any]:
        return [item for item in items for _ in range(2)]


def test_a_rank_scores_its_share() -> None:
    predictor = Predictor()
    validated(predictor, pairs(4), Other(rank=1, size=2))
    assert predictor.read == ["s1", "s3"]
    assert predictor.scored == [("s1", 2), ("s3", 2)]


def test_perplexity_is_the_exponential_of_the_training_loss(tiny_model: Callable[..., Any]) -> None:
    """The same model's plain loss per target token, end mark included, on the same pairs as one batch."""
    subword = Subword.train(["abcdefgh"], SubwordConfig(type="char", byte_fallback=False), vocab_size=20)
    vocabularies = Vocabularies(subword, subword)
    torch.manual_seed(1)
    config = replace(CONFIG, model=ModelConfig(layers=1, hidden_size=8, embedding_size=8, dropout=0.0))
    model = build_model(config.model, len(subword), len(subword))
    rows = [Pair("abc", "ab"), Pair("a", "hgfedcba"), Pair("gh", "")]
    predictor = Translator(
        [Member(model, vocabularies, config, TargetLengths(((1, 12),)))], DeviceSpec.pick("cpu", "fp32")
    )
    found = validated(predictor, rows)
    model.eval()
    sources, targets = ([subword.encode(getattr(pair, side)) for pair in rows] for side in ("src", "tgt"))
    batch = collate(sources, targets, reverse=config.model.reverse_source)
    with torch.no_grad():
        loss = cross_entropy(model(batch), model.decoder.output, batch.tgt_out, smoothing=0.0)
    tokens = int((batch.tgt_out != PAD).sum())
    assert tokens == sum(len(target) + 1 for target in targets)
    assert found.perplexity == pytest.approx(float(torch.exp(loss.nll / tokens)), rel=1e-5)
