"""What ``auto`` means for the size of batches."""

import pytest

from seq2seq.config import DecodingConfig, ModelConfig, TrainingConfig
from seq2seq.config.batch_size import decoding_batch_tokens, training_batch_tokens

GIB = 2**30


def training(gpu_memory: int, batch_tokens: int | str = "auto", **model: int) -> int:
    return training_batch_tokens(TrainingConfig(batch_tokens=batch_tokens), ModelConfig(**model), gpu_memory)


def decoding(gpu_memory: int, vocabulary: int = 8000, batch_tokens: int | str = "auto") -> int:
    return decoding_batch_tokens(DecodingConfig(batch_tokens=batch_tokens), vocabulary, gpu_memory)


@pytest.mark.parametrize("memory", [0, GIB, 80 * GIB])
def test_a_number_is_taken_as_it_is(memory: int) -> None:
    assert training(memory, 77) == decoding(memory, batch_tokens=77) == 77


def test_a_cpu_takes_the_same_whatever_the_model() -> None:
    assert TrainingConfig().batch_tokens == DecodingConfig().batch_tokens == "auto"
    assert training(0) == training(0, hidden_size=1024, layers=4) == 1200
    assert decoding(0) == decoding(0, 160_000) == 4000


def test_a_gpu_takes_more_as_its_memory_and_the_model_allow() -> None:
    sizes = [training(memory * GIB, hidden_size=1024, layers=4) for memory in (1, 4, 8, 16, 80)]
    assert sizes == sorted(sizes)
    assert 1200 <= sizes[0] < sizes[1] < sizes[2] < sizes[-1]
    assert training(8 * GIB, hidden_size=2048, layers=4) < training(8 * GIB, hidden_size=1024, layers=4)
    assert decoding(4 * GIB, 160_000) < decoding(4 * GIB, 32_000) < decoding(80 * GIB, 32_000)
    assert decoding(GIB, 160_000) >= 4000


@pytest.mark.parametrize("memory", [2, 8, 80, 10_000])
def test_the_estimate_fits_into_a_quarter_of_the_memory(memory: int) -> None:
    tokens = training(memory * GIB, hidden_size=1024, layers=4)
    assert tokens == 1200 or tokens * 2 * 4 * 1024 * 32 <= memory * GIB / 4
    assert tokens <= 20_000
    assert decoding(memory * GIB, 32_000) in (4000, min(65_536, memory * GIB // 4 // (4 * 32_000)))
