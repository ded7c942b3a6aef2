"""Decoding without enough memory: smaller batches, the same results, one line where nothing helps."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import seq2seq
from seq2seq import errors
from seq2seq.cli import main
from seq2seq.corpus.batching import Batch
from seq2seq.decoding.batches import within_memory
from seq2seq.decoding.readers import TextReader
from seq2seq.decoding.scoring import log_probs
from seq2seq.decoding.translator import Translator
from seq2seq.decoding.vectors import sentence_vectors
from seq2seq.errors import is_out_of_memory

SOURCES = ["123", "", "9", "55555", "8675309", "42", "1", "77"]
SHORTAGES = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    MemoryError(),
]


@pytest.fixture
def translator(digits_run: Path) -> Iterator[Translator]:
    errors.warn_once.cache_clear()
    translator = seq2seq.load(digits_run, device="cpu", engine="torch")
    translator.model.double()
    yield translator
    errors.warn_once.cache_clear()


@pytest.fixture
def shortage(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Exception], list[int]]:
    """Lets translators read only so many sentences at once, and notes how many they did."""

    def limit(rows: int, error: Exception) -> list[int]:
        real, sizes = TextReader.batches, []

        def batches(self: TextReader, sources: list[str], targets: object = None) -> list[Batch]:
            sizes.append(len(sources))
            if len(sources) > rows:
                raise error
            return real(self, sources, targets)

        monkeypatch.setattr(TextReader, "batches", batches)
        return sizes

    return limit


@pytest.mark.parametrize("error", SHORTAGES, ids=lambda error: type(error).__name__)
def test_smaller_batches_give_the_same_in_the_same_order(
    error: Exception, translator: Translator, shortage: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = translator.nbest(SOURCES, 3), sentence_vectors(translator, SOURCES)
    ids = [found[0].ids for found in expected[0]]
    scores = log_probs(translator, SOURCES, ids)
    translator.model.train()
    sizes = shortage(2, error)
    found = translator.nbest(SOURCES, 3)
    assert [[one.text for one in each] for each in found] == [[one.text for one in each] for each in expected[0]]
    for one, two in zip(found, expected[0], strict=True):
        assert [each.score for each in one] == pytest.approx([each.score for each in two])
    assert sentence_vectors(translator, SOURCES) == pytest.approx(expected[1])
    assert log_probs(translator, SOURCES, ids) == pytest.approx(scores)
    assert max(sizes) > 2
    assert capsys.readouterr().err.count("out of memory") == 1
    assert translator.model.training


def test_what_follows_is_not_tried_in_vain() -> None:
    tried = []

    def work(rows: list[int]) -> list[int]:
        tried.append(len(rows))
        if len(rows) > 3:
            raise MemoryError
        return [10 * row for row in rows]

    batches = [list(range(start, start + 8)) for start in range(0, 40, 8)]
    assert within_memory(batches, work, lower="") == {row: 10 * row for row in range(40)}
    assert tried == [8, 4, *[2] * 20]


def test_one_sentence_too_many_is_one_line(
    digits_run: Path, shortage: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "src").write_text("12\n345\n")
    shortage(0, SHORTAGES[0])
    assert main(["translate", "--model", str(digits_run), "--src", str(tmp_path / "src"), "--beam", "7"]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("seq2seq: out of memory with a single sentence: lower")
    assert "now 7: --beam" in last


def test_other_errors_are_not_mistaken_for_it(translator: Translator, shortage: Callable) -> None:
    shortage(0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        translator.translate(SOURCES)


def test_the_allocators_own_error_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(ValueError("can't allocate memory"))
