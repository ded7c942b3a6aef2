"""What an epoch's batches hold, with and without subword sampling, and what their pictures are augmented by."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from seq2seq.config import ModelConfig, TrainingConfig
from seq2seq.corpus.batching import Shape, collate
from seq2seq.corpus.prepared import Prepared, prepare
from seq2seq.corpus.subword import EOS, PAD, Vocabularies
from seq2seq.corpus.token_file import TokenColumn
from seq2seq.model.build import build_model
from seq2seq.recipe import load_recipe
from seq2seq.training.batches import BatchSource
from seq2seq.training.objective import cross_entropy


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    data = [f"data.directory={tmp_path_factory.mktemp('data')}", "data.train=900", "data.validation_size=5"]
    return prepare(
        load_recipe("reverse-digits", [*data, "data.test_size=5", "subword.type=bpe", "subword.vocab_size=60"])
    )


def source(corpus: Prepared, sampling: float, seed: int = 1, longest: int = 100, reverse: bool = False) -> BatchSource:
    config = TrainingConfig(batch_tokens=60, seed=seed)
    batches = BatchSource(corpus, config, reverse=reverse, sampling=sampling, longest=longest)
    batches.order = replace(batches.order, pool=200)
    return batches


def shown(batches: BatchSource, epoch: int, start: int = 0) -> list[tuple[list[list[int]], list[list[int]]]]:
    """Sources and targets of each batch."""
    made = [batch for batch, _ in batches.epoch(epoch, start)]
    return [tuple([unpadded(row) for row in ids.tolist()] for ids in (batch.src, batch.tgt_out)) for batch in made]


def unpadded(row: list[int]) -> list[int]:
    real = [token for token in row if token != PAD]
    assert real.pop() == EOS
    return real


def texts(corpus: Prepared, batches: list) -> list[tuple[str, str]]:
    decode_src, decode_tgt = corpus.vocabularies.src.decode, corpus.vocabularies.tgt.decode
    return sorted(
        (decode_src(src), decode_tgt(tgt))
        for sources, targets in batches
        for src, tgt in zip(sources, targets, strict=True)
    )


def test_sampling_shows_every_pair_in_other_words_each_time(corpus: Prepared) -> None:
    plain = shown(source(corpus, 0.0), 0)
    first, second = (shown(source(corpus, 0.4), epoch) for epoch in (0, 1))
    assert texts(corpus, plain) == texts(corpus, first) == texts(corpus, second)
    for side in (0, 1):
        ids = [{tuple(row) for batch in batches for row in batch[side]} for batches in (plain, first, second)]
        assert len(ids[0] & ids[1]) < 0.9 * len(ids[0])
        assert ids[1] != ids[2]


@pytest.mark.parametrize("sampling", [0.0, 0.4])
def test_an_epoch_is_a_function_of_seed_and_number(sampling: float, corpus: Prepared) -> None:
    assert shown(source(corpus, sampling), 3) == shown(source(corpus, sampling), 3)
    assert shown(source(corpus, sampling), 3) != shown(source(corpus, sampling, seed=2), 3)
    assert shown(source(corpus, sampling), 3) != shown(source(corpus, sampling), 4)


@pytest.mark.parametrize("sampling", [0.0, 0.4])
def test_batches_keep_to_their_budget(sampling: float, corpus: Prepared) -> None:
    for _, targets in shown(source(corpus, sampling), 0):
        assert len(targets) == 1 or len(targets) * (max(map(len, targets)) + 1) <= 60


@pytest.mark.parametrize("sampling", [0.0, 0.4])
@pytest.mark.parametrize("start", [1, 17, 40])
def test_beginning_later_shows_the_rest(start: int, sampling: float, corpus: Prepared) -> None:
    batches = source(corpus, sampling)
    assert shown(batches, 2, start) == shown(batches, 2)[start:]


def test_a_sample_that_is_too_long_gives_way_to_the_corpus(corpus: Prepared) -> None:
    longest = int(max(corpus.src.lengths().max(), corpus.tgt.lengths().max()))
    batches = shown(source(corpus, 0.9, longest=longest), 0)
    assert max(len(row) for pairs in batches for side in pairs for row in side) == longest


def test_the_number_of_batches_is_known_in_the_end(corpus: Prepared) -> None:
    counts = [count for _, count in source(corpus, 0.4).epoch(0)]
    assert counts[-1] == len(counts)
    assert np.ptp(counts) < 0.2 * len(counts)


def test_sources_are_reversed_where_asked(corpus: Prepared) -> None:
    forward, backward = (shown(source(corpus, 0.0, reverse=reverse), 0) for reverse in (False, True))
    assert backward == [([row[::-1] for row in sources], targets) for sources, targets in forward]


def tensors(batches: BatchSource, epoch: int, start: int = 0, **share: int) -> list[list[list[int]] | None]:
    """Sources and targets of each batch as they are padded."""
    made = [batch for batch, _ in batches.epoch(epoch, start, **share)]
    return [batch and [*batch.src.tolist(), *batch.tgt_out.tolist()] for batch in made]


@pytest.mark.parametrize("sampling", [0.0, 0.4])
@pytest.mark.parametrize("start", [0, 17])
def test_batches_that_are_made_ahead_are_the_same(sampling: float, start: int, corpus: Prepared) -> None:
    inline, threaded = source(corpus, sampling), source(corpus, sampling)
    threaded.ahead = True
    expected = tensors(inline, 2, start)
    assert len(expected) > 30
    assert tensors(threaded, 2, start) == expected


@pytest.mark.parametrize("ahead", [False, True])
def test_of_several_processes_each_makes_its_own(ahead: bool, corpus: Prepared) -> None:
    batches = source(corpus, 0.0)
    batches.ahead = ahead
    whole = tensors(batches, 1, 5)
    for first in range(3):
        share = tensors(batches, 1, 5, every=3, first=first)
        assert share == [batch if place % 3 == first else None for place, batch in enumerate(whole)]


@pytest.mark.parametrize("sampling", [0.0, 0.4])
def test_batches_of_few_shapes_hold_the_same_pairs(sampling: float, corpus: Prepared) -> None:
    bare, filled = source(corpus, sampling), source(corpus, sampling)
    filled.order = replace(filled.order, shapes=True)
    made = [batch for batch, _ in filled.epoch(1)]
    pairs = [
        (unpadded(src), unpadded(tgt))
        for batch in made
        for src, tgt in zip(batch.src.tolist(), batch.tgt_out.tolist(), strict=True)
        if tgt[0] != PAD
    ]
    expected = [pair for sources, targets in shown(bare, 1) for pair in zip(sources, targets, strict=True)]
    assert sorted(pairs) == sorted(expected)
    assert all(batch.tgt_out.numel() <= 60 or len(batch.src) == 1 for batch in made)
    assert not any(batch.full for batch in made)
    assert any(batch.full for batch, _ in bare.epoch(1))
    assert {length % 2 for batch in made for length in (batch.src.shape[1], batch.tgt_out.shape[1])} == {0}


MODELS = [
    {"layers": 3, "residual_from": 2},
    {"encoder": "bidirectional", "attention": "general", "cell": "gru"},
    {"cell": "peephole", "attention": "additive", "bridge": "every-step"},
    {"encoder": "convolutional", "attention": "dot", "bridge": "mean"},
]


@pytest.mark.parametrize("model", MODELS)
def test_what_fills_a_batch_up_changes_neither_loss_nor_gradient(model: dict[str, object]) -> None:
    """Of a batch that is larger in all three directions, in float64."""
    sizes = {"layers": 2, "hidden_size": 12, "embedding_size": 8, "dropout": 0.0, "pool": 2, "filter_width": 3}
    torch.manual_seed(2)
    made = build_model(ModelConfig(**(sizes | model)), 20, 20).double().train()
    sources, targets = [[5, 6, 7], [8], [9, 10, 11, 12]], [[5], [6, 7, 8], []]
    found = []
    for shape in (None, Shape(8, 8, 6)):
        batch = collate(sources, targets, reverse=True, shape=shape)
        loss = cross_entropy(made(batch), made.decoder.output, batch.tgt_out, smoothing=0.1)
        made.zero_grad()
        loss.smoothed.backward()
        found.append((loss, [parameter.grad.clone() for parameter in made.parameters()]))
    (bare, bare_gradients), (filled, gradients) = found
    torch.testing.assert_close(filled.nll, bare.nll)
    torch.testing.assert_close(filled.smoothed, bare.smoothed)
    torch.testing.assert_close(gradients, bare_gradients, rtol=1e-9, atol=1e-12)


class Pictures:
    """Stands in for the pictures of a corpus: the number in a picture's name beside what chance gave it."""

    def look(self, names: Sequence[str], *, pixels: bool, chance: np.random.Generator) -> torch.Tensor:
        return torch.tensor([[[float(name), chance.random() if pixels else 0.0]] for name in names])


def looks(seed: int = 1, epoch: int = 0, start: int = 0, pixels: bool = True) -> list[tuple[float, int, float]]:
    """Picture, caption and chance of 12 pairs in their order."""
    column = [TokenColumn([pa.array([[base + row] for row in range(12)], pa.list_(pa.int32()))]) for base in (0, 10)]
    empty = Vocabularies.__new__(Vocabularies)
    names = tuple(map(str, range(12)))
    corpus = Prepared(empty, *column, validation=[], test=[], report={}, folder=Path(), images=names)
    batches = BatchSource(corpus, TrainingConfig(batch_sentences=3, seed=seed), reverse=False, pictures=Pictures())
    made = [batch for batch, _ in batches.epoch(epoch, start, pixels=pixels)]
    return [
        (name, caption, chance)
        for batch in made
        for ((name, chance),), (caption, _) in zip(batch.src.tolist(), batch.tgt_out.tolist(), strict=True)
    ]


def test_every_picture_is_augmented_in_another_way_in_each_epoch() -> None:
    one, two = looks(epoch=0), looks(epoch=1)
    assert all(caption == picture + 10 for picture, caption, _ in one + two)
    assert len({chance for _, _, chance in one + two}) == 24
    assert len({chance for _, _, chance in looks(seed=2) + one}) == 24


def test_augmentation_repeats_with_the_seed_and_when_training_continues() -> None:
    assert looks(epoch=1) == looks(epoch=1)
    assert looks(epoch=1, start=2) == looks(epoch=1)[6:]


def test_features_are_not_augmented() -> None:
    assert {chance for _, _, chance in looks(pixels=False)} == {0.0}
