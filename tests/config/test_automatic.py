"""What ``auto`` becomes in training, by the size of the corpus."""

from dataclasses import asdict

import pytest

from seq2seq.config import Config, ModelConfig, TrainingConfig
from seq2seq.config.automatic import adopted, differences, settle
from seq2seq.config.batch_size import training_batch_tokens

AUTO = Config()
SIZES = (1, 300, 3000, 30_000, 300_000, 30_000_000)


def settled(config: Config, pairs: int, gpu_memory: int = 0) -> Config:
    return settle(config, pairs, 10 * pairs, gpu_memory)


@pytest.mark.parametrize("pairs", SIZES)
@pytest.mark.parametrize("gpu_memory", [0, 80 * 2**30])
def test_nothing_automatic_is_left_for_the_size_of_the_corpus_to_decide(pairs: int, gpu_memory: int) -> None:
    found = settled(AUTO, pairs, gpu_memory)
    decided = {"model.dropout", "training.batch_tokens", "training.validate_every", "training.max_epochs"}
    assert set(differences(AUTO, found)) == decided | {"training.patience"}
    assert settled(found, 7) == found


def test_smaller_corpora_have_more_epochs_more_dropout_and_smaller_batches() -> None:
    found = [settled(AUTO, pairs) for pairs in SIZES]
    epochs = [one.training.max_epochs for one in found]
    dropout = [float(one.model.dropout) for one in found]
    batches = [int(one.training.batch_tokens) for one in found]
    assert epochs == sorted(epochs, reverse=True)
    assert epochs[0] > epochs[2] > epochs[-1]
    assert dropout == sorted(dropout, reverse=True)
    assert batches == sorted(batches)
    assert batches[-1] == training_batch_tokens(AUTO.training, AUTO.model, 0)
    # And yet more of them are looked at in all.
    looks = [pairs * each for pairs, each in zip(SIZES, epochs, strict=True)]
    assert looks == sorted(looks)


@pytest.mark.parametrize("pairs", SIZES)
def test_a_validation_comes_about_once_in_an_epoch_but_not_every_few_updates(pairs: int) -> None:
    training = settled(AUTO, pairs).training
    updates = 10 * pairs / int(training.batch_tokens)
    assert training.validate_every == pytest.approx(min(1000, max(100, updates)), abs=1)
    sentences = settled(Config(training=TrainingConfig(batch_sentences=10, accumulate=2)), 6000).training
    assert sentences.validate_every == 300


@pytest.mark.parametrize("limit", ["max_updates", "max_epochs", "max_minutes", "patience"])
def test_a_limit_that_is_set_is_the_only_one(limit: str) -> None:
    config = Config(training=TrainingConfig(schedule="constant", **{limit: 3}))
    decided = {"model.dropout", "training.batch_tokens", "training.validate_every"}
    assert set(differences(config, settled(config, 300))) == decided


def test_tokens_of_a_batch_are_left_alone_where_its_sentences_are_counted() -> None:
    config = Config(training=TrainingConfig(batch_sentences=10))
    assert "training.batch_tokens" not in differences(config, settled(config, 300))


def test_a_training_that_goes_on_keeps_what_was_chosen() -> None:
    begun = settled(AUTO, 300)
    again = adopted(AUTO, begun)
    assert again.model == begun.model
    kept = asdict(again.training) | {"max_epochs": begun.training.max_epochs, "patience": begun.training.patience}
    assert kept == asdict(begun.training)
    other = Config(model=ModelConfig(dropout=0.5))
    assert adopted(other, begun).model == other.model
