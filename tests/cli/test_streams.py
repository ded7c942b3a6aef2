"""Streams that are missing, and names that are no text; tests/reliability/test_locales.py has every command."""

import contextlib
import io
import shutil
import sys
from pathlib import Path

import pytest
from stubs import no_models

from seq2seq.cli import main

ODD = "\udcff\udcfe"


def test_what_is_said_to_a_closed_stderr_goes_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch, no_models():
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n")))
        patch.setattr(sys, "stderr", None)
        assert main(["translate", "--model", "none"]) == 0
        assert main(["status", "none"]) == 2
        sys.stderr.close()
    assert capsys.readouterr().out == "\ufffd\n"


@pytest.mark.parametrize("arguments", [["recipes", "wmt14-en-fr"], ["--help"], ["translate", "--help"]])
def test_help_and_recipes_are_utf8_under_every_encoding(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    said = []
    for encoding in ("utf-8", "ascii", "latin-1"):
        written = io.BytesIO()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
            with contextlib.suppress(SystemExit):  # after help
                main(arguments)
            sys.stdout.flush()
            said.append(written.getvalue())
    assert len(said[0].decode()) > 100
    assert said[1:] == said[:1] * 2


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[2Jb", ODD, "\u2028", "'\"\\"])
def test_a_message_with_any_name_is_one_line_of_printable_characters(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", str(tmp_path / name)]) == 2
    assert main(["train", f"{name}.toml"]) == 2
    lines = capsys.readouterr().err.split("\n")
    assert len(lines) == 3
    assert all(line.isprintable() for line in lines)


def test_an_argument_that_is_no_text_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (
        ["train", "reverse-digits", "--run", str(tmp_path / ODD)],
        ["average", str(tmp_path), str(tmp_path / ODD), "--out", str(tmp_path / "mean")],
        ["export", "--model", str(tmp_path), "--out", str(tmp_path / ODD)],
        ["train", "reverse-digits", "--set", f"data.directory={tmp_path / ODD}"],
        ["translate", "--model", str(tmp_path), "--block", ODD],
    ):
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert said.startswith("seq2seq: expected arguments in ")
        assert said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_run_in_a_folder_of_any_name_has_a_page(
    digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(digits_run, tmp_path / ODD)
    monkeypatch.chdir(run)
    assert main(["inspect", "--model", ".", "--text", "12"]) == 0
    assert "\ufffd" in (run / "inspect.html").read_text(encoding="utf-8")
    assert main(["evaluate", "--model", ".", "--beam", "1"]) == 0
    assert main(["export", "--model", ".", "--out", "onnx"]) == 2
