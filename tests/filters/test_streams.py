"""What filters read: plain and packed text, and input that is none."""

import gzip
import io
import lzma
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stubs import no_models

from seq2seq.cli import main
from seq2seq.decoding.outputs import Translation
from seq2seq.decoding.translator import Translator
from seq2seq.errors import CorpusError
from seq2seq.filters.rescore import read_lists
from seq2seq.filters.score import read_pairs
from seq2seq.filters.streams import to_texts
from seq2seq.filters.translate import nbest_line

Command = Callable[..., tuple[int, bytes, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command without a model: status, output, what it said."""

    def run(name: str, *arguments: object, stdin: bytes = b"") -> tuple[int, bytes, str]:
        written = io.BytesIO()
        with monkeypatch.context() as patch, no_models():
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="ascii"))
            patch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
            status = main([name, "--model", "none", *map(str, arguments)])
            sys.stdout.flush()
            return status, written.getvalue(), capsys.readouterr().err

    return run


TEXT = "12\né3\n\n".encode()
LISTS = b"0 ||| a ||| -1\n1 ||| b ||| -1\n2 ||| ||| -1\n"
NAMED = {
    "translate --src": (("translate", "--src", "FILE"), b""),
    "translate --prefix": (("translate", "--prefix", "FILE"), TEXT),
    "translate --require": (("translate", "--require", "FILE"), TEXT),
    "score": (("score", "--src", "FILE", "--tgt", "FILE"), b""),
    "rescore --src": (("rescore", "--src", "FILE"), LISTS),
    "rescore --tune": (("rescore", "--src", "FILE", "--tune", "FILE"), LISTS),
}


def with_file(arguments: tuple[str, ...], path: Path) -> list[str]:
    return [str(path) if one == "FILE" else one for one in arguments]


@pytest.mark.parametrize("option", NAMED)
def test_a_packed_file_is_read_as_the_plain_one(option: str, command: Command, tmp_path: Path) -> None:
    arguments, stdin = NAMED[option]
    (tmp_path / "plain").write_bytes(TEXT)
    (tmp_path / "gzip").write_bytes(gzip.compress(TEXT))
    (tmp_path / "xz").write_bytes(lzma.compress(TEXT))
    plain, *packed = (
        command(*with_file(arguments, tmp_path / name), stdin=stdin)[:2] for name in ("plain", "gzip", "xz")
    )
    assert plain[0] == 0
    assert plain[1].count(b"\n") == 3
    assert packed == [plain] * 2
    packings = (gzip.compress(TEXT), lzma.compress(TEXT))
    for damaged in (*(one[:-12] for one in packings), *(one[:-6] + b"123456" for one in packings), packings[0][:5]):
        (tmp_path / "damaged.gz").write_bytes(damaged)
        status, _, said = command(*with_file(arguments, tmp_path / "damaged.gz"), stdin=stdin)
        assert status == 2
        assert f"seq2seq: {tmp_path / 'damaged.gz'} is a damaged packed file: " in said
        assert said.count("seq2seq: ") == 1


@pytest.mark.parametrize("option", NAMED)
def test_a_missing_file_is_one_line(option: str, command: Command, tmp_path: Path) -> None:
    arguments, stdin = NAMED[option]
    status, output, said = command(*with_file(arguments, tmp_path / "none"), stdin=stdin)
    assert (status, output) == (2, b"")
    assert f"{tmp_path / 'none'}: expected a file, found nothing of that name\n" in said
    assert said.count("\n") == 1


FOREIGN = {
    "gzip": (gzip.compress(TEXT), "gunzip -c"),
    "xz": (lzma.compress(TEXT), "xz -dc"),
    "UTF-16": (TEXT.decode().encode("utf-16"), "iconv -f UTF-16 -t UTF-8"),
    "UTF-16, big": (b"\xfe\xff" + TEXT.decode().encode("utf-16-be"), "iconv -f UTF-16 -t UTF-8"),
    "UTF-32": (TEXT.decode().encode("utf-32"), "iconv -f UTF-32 -t UTF-8"),
    "a zip archive, as spreadsheets are": (b"PK\x03\x04\x14\0", "save it as CSV"),
    "UTF-32, big": (b"\0\0\xfe\xff" + TEXT.decode().encode("utf-32-be"), "iconv -f UTF-32 -t UTF-8"),
}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("name", ["translate", "score", "rescore", "encode"])
def test_a_stream_that_is_no_utf8_is_refused(name: str, kind: str, command: Command, tmp_path: Path) -> None:
    content, remedy = FOREIGN[kind]
    (tmp_path / "src").write_bytes(TEXT)
    more = {"rescore": ["--src", tmp_path / "src"], "encode": ["--out", tmp_path / "v.npy"]}
    if name == "encode":  # of which the stub has none
        with pytest.raises(CorpusError, match=remedy):
            list(to_texts(io.BytesIO(content)))
        return
    status, output, said = command(name, *more.get(name, []), stdin=content)
    assert (status, output) == (2, b"")
    assert said.startswith("seq2seq: ")
    assert said.count("\n") == 1
    assert f"found the mark of {kind.partition(',')[0]}" in said
    assert remedy in said


@pytest.mark.parametrize("option", NAMED)
def test_a_file_that_is_no_utf8_is_refused_with_its_name(option: str, command: Command, tmp_path: Path) -> None:
    arguments, stdin = NAMED[option]
    (tmp_path / "src").write_bytes(TEXT.decode().encode("utf-16"))
    status, output, said = command(*with_file(arguments, tmp_path / "src"), stdin=stdin)
    assert (status, output) == (2, b"")
    assert f"seq2seq: {tmp_path / 'src'}: expected lines in UTF-8, found the mark of UTF-16" in said


def test_the_first_line_in_another_encoding_is_named_once(command: Command) -> None:
    status, output, said = command("translate", stdin="a\nü\nb\né\n".encode("latin-1"))
    assert (status, output) == (0, "a\n\ufffd\nb\n\ufffd\n".encode())
    assert said.count("\n") == 1
    assert "line 2: expected UTF-8, found b'\\xfc'" in said
    assert "iconv -f LATIN1 -t UTF-8" in said
    assert command("translate", stdin="ü\ufffd\n".encode())[2] == ""


NO_TEXT = {
    "an executable": random.Random(0).randbytes(20_000),
    "UTF-16 without a mark": ("a line of text\n" * 100).encode("utf-16-le"),
    "Cyrillic in another encoding": ("длинная строка\n" * 100).encode("cp1251"),
}


@pytest.mark.parametrize("kind", NO_TEXT)
def test_a_stream_that_is_mostly_no_text_is_refused(kind: str, command: Command) -> None:
    status, _, said = command("translate", stdin=NO_TEXT[kind])
    assert status == 2
    assert "expected text in UTF-8, found that" in said.splitlines()[-1]


def test_a_text_with_some_bytes_of_another_encoding_is_read(command: Command) -> None:
    stdin = ("tr\xe8s \xe9l\xe9gant, \0 dit-il\n" * 100).encode("latin-1")
    status, output, said = command("translate", stdin=stdin)
    assert (status, output.count(b"\n"), said.count("\n")) == (0, 100, 1)


INVISIBLE = ["\u200b", "\ufeff", "\u2060", " \u200b\u2060 \u200d", "\u00ad"]


def test_nothing_but_characters_of_no_width_is_an_empty_source(digits_run: Path) -> None:
    translator = Translator.load(digits_run, device="cpu")
    assert [output.text for output in translator.translate(INVISIBLE)] == [""] * len(INVISIBLE)
    assert all(map(translator.is_empty, INVISIBLE))
    assert translator.translate(["1\u200b"])[0].ids


BARS = st.lists(st.sampled_from(["|||", "|", "a", " ", "a= 1", "-1", "é", "||"]), max_size=8).map("".join)


@given(st.one_of(st.text(), BARS), st.floats(-1e6, 1e6))
def test_what_a_list_holds_is_read_back(text: str, score: float) -> None:
    text = " ".join(text.encode(errors="replace").decode().split())  # as outputs are
    written = nbest_line(0, Translation(text, score, (), (), score))
    ((candidate,),) = read_lists([written], "list")
    assert (candidate.text, candidate.features) == (text, f"LogProb= {score:.4f} PerToken= {score:.4f}")
    again = candidate.line(0.25)
    ((candidate,),) = read_lists([again], "list")
    assert candidate.text == text


def test_rescore_reads_what_translate_writes(command: Command, tmp_path: Path) -> None:
    content = b"a ||| b\n|||\n\n||| -1 ||| -2\n||\xff||\n|\n"
    (tmp_path / "src").write_bytes(content)
    _, lists, _ = command("translate", "--nbest", 2, "--src", tmp_path / "src")
    status, rescored, said = command("rescore", "--src", tmp_path / "src", stdin=lists)
    assert (status, rescored.count(b"\n")) == (0, 12), said
    texts = [
        sorted(one.text for group in read_lists(some.decode().split("\n")[:-1], "") for one in group)
        for some in (lists, rescored)
    ]
    assert texts[0] == texts[1]


def test_pairs_of_a_stream_and_of_files_are_the_same(tmp_path: Path) -> None:
    sides = [b"1\r\n\xff\n", b"2\n\xc3\xa9"]
    for name, side in zip("st", sides, strict=True):
        (tmp_path / name).write_bytes(side)
    piped = io.BytesIO(b"1\t2\n\xff\t\xc3\xa9")
    assert list(read_pairs(piped, None, None)) == list(read_pairs((), tmp_path / "s", tmp_path / "t"))
