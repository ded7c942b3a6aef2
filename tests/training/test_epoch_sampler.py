"""What an epoch shows of the corpus, with and without subword sampling."""

import numpy as np
import pytest

from seq2seq.corpus.batching import BatchOrder
from seq2seq.corpus.prepared import Prepared, prepare
from seq2seq.recipe import load_recipe
from seq2seq.training.epoch_sampler import EpochSampler


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    data = [f"data.directory={tmp_path_factory.mktemp('data')}", "data.train=900", "data.validation_size=5"]
    return prepare(
        load_recipe("reverse-digits", [*data, "data.test_size=5", "subword.type=bpe", "subword.vocab_size=60"])
    )


def drawing(corpus: Prepared, sampling: float, seed: int = 1, pool: int = 200, longest: int = 100) -> EpochSampler:
    order = BatchOrder(
        src_lengths=corpus.src.lengths(), tgt_lengths=corpus.tgt.lengths(), batch_tokens=60, seed=seed, pool=pool
    )
    return EpochSampler(corpus, order, sampling=sampling, longest=longest)


def shown(drawn: EpochSampler, epoch: int, start: int = 0) -> list:
    return [draw.pairs() for draw, _ in drawn.epoch(epoch, start)]


def texts(corpus: Prepared, batches: list) -> list[tuple[str, str]]:
    decode_src, decode_tgt = corpus.vocabularies.src.decode, corpus.vocabularies.tgt.decode
    return sorted(
        (decode_src(src), decode_tgt(tgt))
        for sources, targets in batches
        for src, tgt in zip(sources, targets, strict=True)
    )


def test_sampling_shows_every_pair_in_other_words_each_time(corpus: Prepared) -> None:
    plain = shown(drawing(corpus, 0.0), 0)
    first, second = (shown(drawing(corpus, 0.4), epoch) for epoch in (0, 1))
    assert texts(corpus, plain) == texts(corpus, first) == texts(corpus, second)
    for side in (0, 1):
        ids = [{tuple(row) for batch in batches for row in batch[side]} for batches in (plain, first, second)]
        assert len(ids[0] & ids[1]) < 0.9 * len(ids[0])
        assert ids[1] != ids[2]


@pytest.mark.parametrize("sampling", [0.0, 0.4])
def test_an_epoch_is_a_function_of_seed_and_number(sampling: float, corpus: Prepared) -> None:
    assert shown(drawing(corpus, sampling), 3) == shown(drawing(corpus, sampling), 3)
    assert shown(drawing(corpus, sampling), 3) != shown(drawing(corpus, sampling, seed=2), 3)
    assert shown(drawing(corpus, sampling), 3) != shown(drawing(corpus, sampling), 4)


@pytest.mark.parametrize("sampling", [0.0, 0.4])
def test_batches_keep_to_their_budget(sampling: float, corpus: Prepared) -> None:
    for _, targets in shown(drawing(corpus, sampling), 0):
        assert len(targets) == 1 or len(targets) * (max(map(len, targets)) + 1) <= 60


@pytest.mark.parametrize("sampling", [0.0, 0.4])
@pytest.mark.parametrize("start", [1, 17, 40])
def test_beginning_later_shows_the_rest(start: int, sampling: float, corpus: Prepared) -> None:
    drawn = drawing(corpus, sampling)
    assert shown(drawn, 2, start) == shown(drawn, 2)[start:]


def test_a_draw_that_is_too_long_is_left_as_it_was(corpus: Prepared) -> None:
    longest = int(max(corpus.src.lengths().max(), corpus.tgt.lengths().max()))
    batches = shown(drawing(corpus, 0.9, longest=longest), 0)
    assert max(len(row) for pairs in batches for side in pairs for row in side) <= longest


def test_the_number_of_batches_is_known_in_the_end(corpus: Prepared) -> None:
    counts = [count for _, count in drawing(corpus, 0.4).epoch(0)]
    assert counts[-1] == len(counts)
    assert np.ptp(counts) < 0.2 * len(counts)
