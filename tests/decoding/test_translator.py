"""The translator and its filter: order, batches and hostile bytes."""

import io
import os
import select
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import seq2seq
from seq2seq.decoding.batches import within_budget
from seq2seq.decoding.outputs import Translation
from seq2seq.decoding.scoring import guesses, token_log_probs
from seq2seq.decoding.translator import Translator
from seq2seq.errors import RunError
from seq2seq.filters.streams import _MARKS
from seq2seq.filters.translate import OutputFormat, translate_stream

SOURCES = ["123", "", "9", "55555", "  ", "8675309", "42", "123"]


@pytest.fixture(scope="module")
def translator(digits_run: Path) -> Translator:
    return seq2seq.load(digits_run, device="cpu")


def run(translator: Translator, content: bytes, **options: int) -> bytes:
    target = io.BytesIO()
    translate_stream(
        [translator], io.BytesIO(content), target, OutputFormat(options=translator.config.decoding, **options)
    )
    return target.getvalue()


def test_order_is_kept_and_empty_stays_empty(translator: Translator) -> None:
    outputs = translator.translate(SOURCES)
    assert [output == Translation("", 0.0, (), ()) for output in outputs] == [not source.strip() for source in SOURCES]
    assert outputs[0] == outputs[-1]
    assert outputs[0].score < 0
    assert translator.translate([]) == []


@pytest.mark.parametrize("beam", [1, 5])
def test_the_batch_size_changes_nothing(translator: Translator, beam: int) -> None:
    # In float64 and so in torch, where the order of sums does not show.
    exact = Translator([replace(one, engine=None) for one in translator.members], translator.device_spec)
    translator.model.double()
    try:
        results = [
            exact.nbest(SOURCES, beam, replace(translator.config.decoding, beam=beam, batch_tokens=size))
            for size in (1, 40, 100_000)
        ]
    finally:
        translator.model.float()
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            assert [entry.text for entry in one] == [entry.text for entry in two]
            assert [entry.score for entry in one] == pytest.approx([entry.score for entry in two])


def test_nbest_is_sorted_and_starts_with_the_best(translator: Translator) -> None:
    for best, found in zip(translator.translate(SOURCES), translator.nbest(SOURCES, 4), strict=True):
        assert found[0] == best
        assert [entry.score for entry in found] == sorted((entry.score for entry in found), reverse=True)


@given(st.binary(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_bytes_give_as_many_lines(translator: Translator, content: bytes) -> None:
    # What begins like a packed file or like UTF-16 is refused: tests/filters/test_streams.py.
    assume(not content.startswith(tuple(_MARKS)))
    lines = content.split(b"\n")
    expected = len(lines) - (lines[-1] == b"")
    output = run(translator, content)
    assert output.count(b"\n") == expected
    assert len(output.decode().splitlines()) == expected


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", 0),
        (b"\n", 1),
        (b"a\n\nb\n", 3),
        (b"no end", 1),
        (b"1\r2\r\n3\n", 2),
        ("1\u20282\x852\x0b\x0c\x1c\n".encode(), 1),
        (b"\x00\n\xff\xfe\n\xef\xbb\xbf12\n", 3),
        (b"\xed\xa0\x80\n", 1),
    ],
)
def test_hostile_bytes(translator: Translator, content: bytes, lines: int) -> None:
    assert run(translator, content).count(b"\n") == lines


def test_a_byte_order_mark_changes_nothing(translator: Translator) -> None:
    assert run(translator, b"\xef\xbb\xbf123\n") == run(translator, b"123\n")


def test_a_very_long_line_is_cut_with_a_warning(translator: Translator, capsys: pytest.CaptureFixture[str]) -> None:
    options = replace(translator.config.decoding, beam=1)
    target = io.BytesIO()
    content = io.BytesIO(b"1\n" + b"12345 " * 175_000 + b"\n2\n")
    translate_stream([translator], content, target, OutputFormat(options=options))
    assert target.getvalue().count(b"\n") == 3
    assert "line 2 has over 100 subwords" in capsys.readouterr().err


def test_nbest_lines_carry_number_text_and_score(translator: Translator) -> None:
    rows = [line.split(" ||| ") for line in run(translator, b"12\n\n345\n", nbest=3).decode().splitlines()]
    assert [row[0] for row in rows] == ["0"] * 3 + ["1"] + ["2"] * 3
    assert all(row[2].startswith("LogProb= ") or not row[1] for row in rows)
    assert all(float(row[3]) <= 0 for row in rows)


@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("line_by_line", [False, True])
def test_it_answers_before_the_input_ends(devices: int, line_by_line: bool, translator: Translator) -> None:
    inward, outward = os.pipe(), os.pipe()
    source, target = os.fdopen(inward[0], "rb"), os.fdopen(outward[1], "wb")
    output_format = OutputFormat(options=translator.config.decoding)
    filter_of = partial(
        translate_stream, [translator] * devices, source, target, output_format, line_by_line=line_by_line
    )
    thread = threading.Thread(target=filter_of)
    thread.start()
    answered = []
    try:
        with os.fdopen(outward[0], "rb", buffering=0) as answers, os.fdopen(inward[1], "wb", buffering=0) as questions:
            for question in (b"12\n", b"34\n56\n", b"78\n"):
                questions.write(question)
                for _ in range(question.count(b"\n")):
                    answered.append(bool(select.select([answers], [], [], 20)[0]) and answers.readline()[-1:] == b"\n")
                if not all(answered):
                    break
    finally:
        thread.join()
        source.close()
        target.close()
    assert answered == [True] * 4


@given(st.lists(st.integers(1, 20), min_size=1, max_size=30), st.integers(1, 60))
def test_filling_keeps_all_items_within_the_budget(sizes: list[int], budget: int) -> None:
    sizes.sort(reverse=True)
    batches = list(within_budget(range(len(sizes)), sizes, budget))
    assert [item for batch in batches for item in batch] == list(range(len(sizes)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(sizes[item] for item in batch) <= budget


def test_translating_leaves_the_mode_of_the_model_alone(translator: Translator) -> None:
    for training in (True, False):
        translator.model.train(training)
        translator.translate(["12"])
        assert translator.model.training is training
    assert not torch.is_inference_mode_enabled()


@pytest.mark.parametrize("beam", [1, 3])
def test_a_model_that_diverged_is_refused(beam: int, digits_run: Path) -> None:
    translator = Translator.load(digits_run, engine="torch")
    translator.model.decoder.output.bias.data.fill_(float("nan"))
    with pytest.raises(RunError, match="diverged"):
        translator.translate(["123"], replace(translator.config.decoding, beam=beam))


def test_guesses_are_the_tokens_of_greedy_search(digits_run: Path) -> None:
    translator = seq2seq.load(digits_run, device="cpu")
    sources = ["123", "98765", "5"]
    ids = [found.ids for found in translator.translate(sources, translator.config.decoding.greedy())]
    found = guesses(translator, sources, ids)
    expected = token_log_probs(translator, sources, ids)
    for pairs, log_probs in zip(found, expected, strict=True):
        assert pairs[:, 1].all()
        torch.testing.assert_close(pairs[:, 0].log(), log_probs)
    wrong = guesses(translator, sources, [(*one[:-1], one[-1] - 1) for one in ids])
    assert not any(pairs[len(one) - 1, 1] for pairs, one in zip(wrong, ids, strict=True))
