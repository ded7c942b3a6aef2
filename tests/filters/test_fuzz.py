"""Whatever filters are fed: as many answers as lines, or one line that says why not."""

import io
import os
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from stubs import Echo, echo, no_models

from seq2seq.config import DecodingConfig
from seq2seq.errors import Seq2SeqError
from seq2seq.filters.constraint_files import ConstraintFiles
from seq2seq.filters.rescore import read_lists, rescored, write_lists
from seq2seq.filters.score import read_pairs, score_stream
from seq2seq.filters.streams import to_texts
from seq2seq.filters.translate import OutputFormat, translate_stream

ECHO = Echo()
SEED = 20140910
FEW = 300
# 10,000 with RELIABILITY=full, which takes minutes; docs/reliability.md has the counts.
MANY = 10_000 if os.environ.get("RELIABILITY") == "full" else 1_500
INPUTS = [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.slow)]

LINES = [b"123", b"\xc3\xa9 4", b"", b"a b c", "中文".encode(), b"  x "]
LISTS = [b"0 ||| 321 ||| a= 1 ||| -9.5", b"0 ||| 1 ||| -1", b"1 ||| \xc3\xa9 ||| LogProb= -1 ||| -2", b"2 ||| ||| -1"]
PAIRS = [b"123\t321", b"\xc3\xa9\t\xc3\xa9", b"\t", b"a b\t", b"\tx"]
REQUIRED = [b"12\t9", b"", b"\xc3\xa9", b"\t\t", b"a b\tc"]
HOSTILE = [
    *(
        b"|||",
        b" ||| ",
        b"|",
        b"\t",
        b"\r",
        b"\r\n",
        b"\n",
        b"\n\n",
        b"\0",
        b"\x1b[2J",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
    ),
    *("\u2028\u0085\u200b\ufeff\u2060\u2581\ufffd\u0301\U0001f600".encode(), b"\x1f\x8b\x08", b"\xff\xfe", b"\xfe\xff"),
    *(b"nan", b"inf", b"-inf", b"1e999", b"-", b"0x1", b"9" * 5000, b"1_0", "\u0663".encode(), b"' \"\\", b"x" * 300),
    *(b"LogProb= ", b"= ", b"0 ||| 1 ||| 2", b"</s>", b"<unk>"),
]
MARKS = (b"\x1f\x8b\x08", b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")


def mutated(seeds: list[bytes], chance: random.Random) -> bytes:
    """Some lines of valid input, damaged in a few places."""
    content = bytearray(b"\n".join(chance.choices(seeds, k=chance.randint(0, 6))) + chance.choice([b"", b"\n"]))
    for _ in range(chance.randint(0, 4)):
        place = chance.randint(0, len(content))
        match chance.randint(0, 4):
            case 0:
                content[place:place] = chance.choice(HOSTILE)
            case 1:
                content[place : place + chance.randint(1, 8)] = b""
            case 2:
                content[place : place + 1] = bytes([chance.randint(0, 255)])
            case 3:
                content[place:place] = content[chance.randint(0, len(content)) :][:20]
            case _:
                content[place : place + 4] = chance.randbytes(4)
    return bytes(content)


def inputs(seeds: list[bytes], count: int) -> Iterable[bytes]:
    """So many mutated inputs, the same ones each time."""
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    return (mutated(seeds, chance) for _ in range(count))


def lines_of(content: bytes) -> list[bytes]:
    """Lines end at line feeds only."""
    lines = content.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def check_error(error: Seq2SeqError) -> None:
    assert "\n" not in str(error)


def translated(content: bytes, **more: object) -> list[bytes]:
    target = io.BytesIO()
    nbest = 2 if more.get("nbest") else 0
    files = more.get("files")
    assert files is None or isinstance(files, ConstraintFiles)
    translate_stream([ECHO], io.BytesIO(content), target, OutputFormat(options=DecodingConfig(), nbest=nbest), files)
    return lines_of(target.getvalue())


@pytest.mark.parametrize("count", INPUTS)
def test_translate_answers_every_line(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    refused = 0
    with no_models():
        for content in inputs(LINES, count):
            lines = lines_of(content)
            try:
                answers = translated(content)
                listed = translated(content, nbest=True)
            except Seq2SeqError as error:
                assert content.startswith(MARKS), content
                check_error(error)
                refused += 1
                continue
            assert answers == [echo(line.decode(errors="replace")).encode() for line in lines], content
            assert len(listed) == 2 * len(lines), content
            read = [one for group in read_lists((line.decode() for line in listed), "list") for one in group]
            assert [one.text.encode() for one in read[::2]] == answers, content
    assert refused < count / 20
    assert all(line.startswith(("warning: ", "seed ")) for line in "".join(capsys.readouterr()).splitlines())


@pytest.mark.parametrize("count", INPUTS)
def test_rescore_keeps_every_candidate(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    answered = 0
    with no_models():
        for content in inputs(LISTS, count):
            target = io.BytesIO()
            try:
                lists = list(read_lists(to_texts(io.BytesIO(content)), "stdin"))
                sources = ["1", "\u00e9", " ", "4"][: len(lists)]
                write_lists(rescored(ECHO, sources, lists), 0.5, target)
            except Seq2SeqError as error:
                check_error(error)
                continue
            answered += 1
            again = list(read_lists(to_texts(io.BytesIO(target.getvalue())), "again"))
            for before, after in zip(lists, again, strict=True):
                assert sorted(one.text for one in before) == sorted(one.text for one in after), content
            assert len(lines_of(target.getvalue())) == len(lines_of(content))
    assert answered > count / 20
    capsys.readouterr()


@pytest.mark.parametrize("count", INPUTS)
def test_score_answers_every_pair(count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answered = 0
    with no_models():
        for number, content in enumerate(inputs(PAIRS, count)):
            lines, target = lines_of(content), io.BytesIO()
            try:
                total = score_stream(
                    ECHO, read_pairs(io.BytesIO(content), None, None), target, DecodingConfig(), with_tokens=True
                )
            except Seq2SeqError as error:
                check_error(error)
                assert content.startswith(MARKS) or not all(b"\t" in line for line in lines), content
                continue
            answered += 1
            rows = [line.split(b"\t") for line in lines_of(target.getvalue())]
            assert len(rows) == len(lines), content
            assert all(len(row) == 4 and int(row[2]) >= 1 for row in rows), content
            assert total.pairs <= len(lines)
            if number % 20 == 0:
                (tmp_path / "src").write_bytes(content)
                pairs = list(read_pairs((), tmp_path / "src", tmp_path / "src"))
                assert [pair.src for pair in pairs] == [pair.tgt for pair in pairs]
                assert len(pairs) == len(lines)
    assert answered > count / 20
    capsys.readouterr()


@pytest.mark.parametrize("count", INPUTS)
@pytest.mark.parametrize("kind", ["prefixes", "required"])
def test_constraint_files_go_line_by_line(
    kind: str, count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "constraints"
    files = replace(ConstraintFiles(blocked=["9"]), **{kind: path})
    answered = 0
    with no_models():
        for number, content in enumerate(inputs(REQUIRED, count)):
            path.write_bytes(content)
            lines = len(lines_of(content))
            try:
                answers = translated(b"12 a\n" * lines, files=files)
            except Seq2SeqError as error:
                check_error(error)
                continue
            answered += 1
            assert answers == [b"12 a"] * lines
            if number % 20:
                continue
            for other in {lines - 1, lines + 1} - {-1}:
                with pytest.raises(Seq2SeqError) as caught:
                    translated(b"12 a\n" * other, files=files)
                check_error(caught.value)
    assert answered > count / 5
    capsys.readouterr()
