"""What all filters promise of their streams: any bytes, one line for a mistake, a word for what is not read."""

import argparse
import io
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from seq2seq.cli import main
from seq2seq.cli.options import add_decoding, decoding
from seq2seq.config import DecodingConfig
from seq2seq.device import own_device
from seq2seq.errors import ConfigError
from seq2seq.recipe import load_recipe

Feed = Callable[[bytes], io.BytesIO]


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Feed:
    """Puts bytes on a strict stdin, and gives what is written to a stdout that knows ASCII only."""

    def streams(content: bytes) -> io.BytesIO:
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="utf-8"))
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
        return written

    return streams


@pytest.fixture
def commands(digits_run: Path, tmp_path: Path) -> dict[str, list[str]]:
    (tmp_path / "src").write_text("123\n")
    extra = {
        "translate": ["--beam", "1"],
        "score": ["--tokens"],
        "rescore": ["--src", str(tmp_path / "src")],
        "encode": ["--out", str(tmp_path / "v.npy")],
    }
    return {name: [name, "--model", str(digits_run), *more] for name, more in extra.items()}


NAMES = ["translate", "score", "rescore", "encode"]
HOSTILE = {
    "translate": "1\xe9\n".encode("latin-1"),
    "score": "1\t\xe9\n".encode("latin-1"),
    "rescore": "0 ||| \xe9 ||| -1\n".encode("latin-1"),
    "encode": "\xe9\n".encode("latin-1"),
}
LONG = b"12345 " * 60


@pytest.mark.parametrize("name", NAMES)
def test_closed_streams_are_one_line(
    name: str, commands: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for stream in ("stdin", "stdout"):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
            patch.setattr(sys, stream, None)
            code = main(commands[name])
        assert code == (0 if (name, stream) == ("encode", "stdout") else 2)
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert code == 0 or said.startswith(f"seq2seq: {stream} is closed")


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_in_and_utf8_out(name: str, commands: dict[str, list[str]], feed: Feed) -> None:
    written = feed(HOSTILE[name])
    assert main(commands[name]) == 0
    assert len(written.getvalue().decode().split("\n")) == (1 if name == "encode" else 2)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_read_is_named(
    name: str, commands: dict[str, list[str]], feed: Feed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = {
        "score": b"1\t1\n%s\t1\n" % LONG,
        "rescore": b"0 ||| 1 ||| -1\n1 ||| 1 ||| -1\n1 ||| 2 ||| -1\n",
    }
    (tmp_path / "src").write_bytes(b"1\n%s\n" % LONG)
    feed(contents.get(name, b"1\n%s\n" % LONG))
    assert main(commands[name]) == 0
    assert capsys.readouterr().err.count("warning: line 2 has over 100 subwords") == 1


@pytest.mark.parametrize("weight", ["nan", "7", "-0.1", "x"])
def test_a_weight_is_a_share(weight: str, commands: dict[str, list[str]]) -> None:
    with pytest.raises(SystemExit):
        main([*commands["rescore"], f"--weight={weight}"])


def test_demands_not_met_are_named(
    digits_run: Path, feed: Feed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["translate", "--model", str(digits_run), "--require", str(tmp_path / "required"), "--max-length", "1"]
    for word, expected in (("9999", []), ("x", ["warning: output 1: 'x' "])):  # no model of digits can write an x
        (tmp_path / "required").write_text(f"{word}\n\n\n")
        feed(b"12\n\n34\n")
        assert main(arguments) == 0
        # That constraints overrule --max-length is said as well, the first time.
        said = [line for line in capsys.readouterr().err.splitlines() if " output " in line]
        assert [line[: len(start)] for line, start in zip(said, expected, strict=True)] == expected


@pytest.mark.parametrize("arguments", [["--devices", "cpu", "cpu"], []])
def test_processes_of_a_torchrun_have_one_device_each(
    arguments: list[str],
    commands: dict[str, list[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(os.environ, "WORLD_SIZE", "2")
    monkeypatch.setitem(os.environ, "LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert main([*commands["translate"], "--src", str(tmp_path / "src"), *arguments]) == 2
    expected = "--devices is for one process" if arguments else "process 1 of this machine has no GPU of its own"
    assert expected in capsys.readouterr().err


def test_each_process_takes_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [own_device(device, 1) for device in ("auto", "cuda", "cpu")] == ["cuda:1", "cuda:1", "cpu"]
    with pytest.raises(ConfigError, match="lower --nproc-per-node to 2"):
        own_device("auto", 2)


def settings_of(run: DecodingConfig, *arguments: str) -> DecodingConfig:
    parser = argparse.ArgumentParser()
    add_decoding(parser)
    return decoding(parser.parse_args(arguments), replace(load_recipe("reverse-digits"), decoding=run))


@pytest.mark.parametrize(
    ("run", "arguments", "expected"),
    [
        (DecodingConfig(length_penalty=0.4), ["--normalisation", "none"], DecodingConfig(normalisation="none")),
        (DecodingConfig(length_penalty=0.4), ["--normalisation", "gnmt"], DecodingConfig(length_penalty=0.4)),
        (DecodingConfig(sample=True, top_k=9, temperature=0.5), ["--no-sample"], DecodingConfig()),
        (DecodingConfig(coverage_penalty=0.2), ["--sample"], DecodingConfig(sample=True)),
        (DecodingConfig(mbr=4, mbr_utility="bleu"), ["--mbr", "0"], DecodingConfig()),
        (DecodingConfig(mbr=4, mbr_utility="bleu"), ["--mbr", "3"], DecodingConfig(mbr=3, mbr_utility="bleu")),
        (
            DecodingConfig(beam=6, diverse_groups=2, diversity=0.9),
            ["--diverse-groups", "3"],
            DecodingConfig(beam=6, diverse_groups=3, diversity=0.9),
        ),
        (DecodingConfig(beam=6, diverse_groups=2, diversity=0.9), ["--diverse-groups", "1"], DecodingConfig(beam=6)),
        (DecodingConfig(replace_unknown=True), ["--no-replace-unknown"], DecodingConfig()),
    ],
)
def test_the_command_line_undoes_what_the_run_says(
    run: DecodingConfig, arguments: list[str], expected: DecodingConfig
) -> None:
    assert settings_of(run, *arguments) == expected


@pytest.mark.parametrize("arguments", [["--temperature", "0.5"], ["--no-sample", "--top-k", "3"]])
def test_what_the_command_line_itself_contradicts_is_refused(arguments: list[str]) -> None:
    with pytest.raises(ConfigError, match="has no meaning with"):
        settings_of(DecodingConfig(), *arguments)
