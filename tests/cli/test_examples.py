"""The examples that end the help of every command."""

import argparse
import io
import shlex
import shutil
import sys
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from seq2seq.cli import _parser, main
from seq2seq.cli.examples import EXAMPLES
from seq2seq.decoding.captioner import Captioner
from seq2seq.decoding.outputs import Translation
from seq2seq.recipe import recipe_text
from seq2seq.runs.layout import read_config

COMMANDS = next(action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)).choices
# These take minutes, or do not end: their options are read, and that is all.
LONG = ("prepare", "train", "lr-find", "serve")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_two_examples_of_the_command(name: str) -> None:
    end = COMMANDS[name].format_help().rstrip().splitlines()[-3:]
    assert end == ["examples:", *(f"  {example}" for example in EXAMPLES[name])]
    assert all(f"seq2seq {name}" in example for example in EXAMPLES[name])


@pytest.fixture
def place(digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with whatever the examples name."""
    for name in ("mine", "other", "emoji-captions"):
        shutil.copytree(digits_run, tmp_path / "runs" / name)
    sources, references = "123\n45\n6\n", "321\n54\n6\n"
    texts = {"news.en": sources, "news.es": references, "a": references, "b": sources}
    texts |= {"pairs.tsv": "123\t321\n45\t54\n", "mine.toml": recipe_text("reverse-digits")}
    texts["lists"] = "0 ||| 321 ||| F= 1 ||| -1\n1 ||| 54 ||| F= 1 ||| -2\n2 ||| 6 ||| F= 1 ||| -1\n"
    texts["pairs.csv"] = "day,short\n" + "".join(f"day {one} of May,{one}/5\n" for one in range(400))
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "photos").mkdir()
    for path in ("picture.png", "photos/b.png", "photos/a.png"):
        (tmp_path / path).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(example: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """The command with its redirections, as a shell would run it."""
    words = shlex.split(example)
    words = words[words.index("seq2seq") + 1 :]
    with ExitStack() as files:
        while len(words) > 2 and words[-2] in "<>":
            *words, sign, path = words
            stream = files.enter_context(open(path, "r" if sign == "<" else "w", encoding="utf-8"))
            monkeypatch.setattr(sys, "stdin" if sign == "<" else "stdout", stream)
        if words[0] in LONG:
            _parser().parse_args(words)
            return 0
        return main([*words, "--device", "cpu"] if "--device" in COMMANDS[words[0]].format_usage() else words)


@pytest.mark.parametrize("example", [example for pair in EXAMPLES.values() for example in pair])
def test_examples_do_what_they_say(example: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A run that captions needs a backbone from the package index: here its answer is given.
    fake = SimpleNamespace(
        config=read_config(place / "runs" / "mine"), best=lambda paths, _: [Translation(f"a {paths[0]}", 0.0, (), ())]
    )
    monkeypatch.setattr(Captioner, "load", lambda *_, **__: fake)
    words = shlex.split(example)
    targets = [place / path for sign, path in pairwise(words) if sign in (">", "--out") and words[1] not in LONG]
    for target in targets:
        target.unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        assert run(example, patch) == 0
    assert all(target.is_dir() or target.stat().st_size for target in targets)


def test_captions_of_several_pictures_are_named_and_one_alone_is_not(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake = SimpleNamespace(
        config=read_config(place / "runs" / "mine"), best=lambda paths, _: [Translation("a cat", 0.0, (), ())]
    )
    monkeypatch.setattr(Captioner, "load", lambda *_, **__: fake)
    (place / "alone").mkdir()
    for path in ("new\nline.png", "alone/a.png"):
        (place / path).touch()
    for pictures, lines in (
        (["picture.png"], ["a cat"]),
        (["photos"], ["photos/a.png\ta cat", "photos/b.png\ta cat"]),
        (["alone"], ["alone/a.png\ta cat"]),
        (["new\nline.png", "picture.png"], ["new\\nline.png\ta cat", "picture.png\ta cat"]),
    ):
        assert main(["caption", "--model", "runs/mine", *pictures]) == 0
        assert capsys.readouterr().out.splitlines() == lines


class Terminal(io.BytesIO):
    """Input that a person types: after its end a terminal goes on, and must not be asked again."""

    ended = False

    def isatty(self) -> bool:
        return True

    def __next__(self) -> bytes:
        if line := self.readline():
            return line
        assert not self.ended
        self.ended = True
        raise StopIteration


@pytest.mark.parametrize("typed", [True, False])
def test_a_person_at_a_terminal_is_told_what_to_do(
    typed: bool, digits_run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = (Terminal if typed else io.BytesIO)(b"123\n45\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stream))
    assert main(["translate", "--model", str(digits_run), "--device", "cpu"]) == 0
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 2
    assert captured.err == ("type one line after the other; Ctrl-D on an empty line ends\n" if typed else "")


@pytest.mark.parametrize(
    ("command", "typed", "asked"),
    [
        (["score"], b"123\t321\n", "type one 'source<TAB>target' after the other"),
        (
            ["rescore", "--src", "sources"],
            b"0 ||| 321 ||| F= 1 ||| -1\n",
            "type one 'number ||| text ||| features ||| ",
        ),
    ],
)
def test_a_person_is_told_what_a_line_is(
    command: list[str],
    typed: bytes,
    asked: str,
    digits_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sources").write_text("123\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Terminal(typed)))
    assert main([*command, "--model", str(digits_run), "--device", "cpu"]) == 0
    assert capsys.readouterr().err.startswith(asked)


def test_vectors_want_the_end_of_the_input_once(
    digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Terminal(b"123\n45\n")))
    command = ["encode", "--model", str(digits_run), "--device", "cpu", "--out", str(tmp_path / "v.npy")]
    assert main(command) == 0
    assert np.load(tmp_path / "v.npy").shape[0] == 2
