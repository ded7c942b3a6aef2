"""Writers: what cannot be written is said before the work, or the result is kept; nothing that existed is lost."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from children import Child
from places import FILES, FOLDERS, PLACES, arguments, name_of, write_everywhere
from work import seq2seq

from seq2seq.cli import main
from seq2seq.files.lock import locked


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that anybody may read, beside its corpus and a file of two lines."""
    shared = tmp_path_factory.mktemp("writers")
    (shared / "lines").write_bytes(b"12\n34\n")
    status, words = Child(seq2seq, *arguments("train", shared / "run", shared / "run")).end()
    assert status == 0, words
    return shared / "run"


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_writer_refuses_before_its_work_or_keeps_the_result(place: str, run: Path, tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents, run.parent):
        if not folder.stat().st_mode & 0o077:  # pytest's are for their owner only
            folder.chmod(0o755)
    status, words = Child(write_everywhere, place, tmp_path, run).end()
    assert status == 0, words
    found = json.loads(words.splitlines()[-1])
    if "missing" in found:
        pytest.fail(f"this test needs mounts of its own, but there is {found['missing']}")
    assert found["tried"] == len(FOLDERS + FILES) - (place == "long_name")
    assert not found["faults"], json.dumps(found["faults"], indent=1)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["translate", "caption"])
@pytest.mark.parametrize(
    ("place", "status", "message"),
    [
        (">/dev/full", 2, "cannot write the output: the disk is full"),
        (">&-", 2, "stdout is closed"),
        ("|true", 141, ""),
    ],
)
def test_stdout_that_takes_nothing_is_said_in_a_line(
    command: str, place: str, status: int, message: str, run: Path, tmp_path: Path
) -> None:
    # A run that captions needs a backbone from the package index: here its answer is given.
    answer = tmp_path / "answer.py"
    answer.write_text(
        "import sys\n"
        "from types import SimpleNamespace as Fake\n"
        "from seq2seq.cli import main\n"
        "from pathlib import Path\n"
        "from seq2seq.runs.layout import read_config\n"
        "from seq2seq.decoding.captioner import Captioner\n"
        f"fake = Fake(config=read_config(Path({str(run)!r})), best=lambda *_: [Fake(text='a cat', cut=False)])\n"
        "Captioner.load = lambda *_, **__: fake\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    (tmp_path / "cat.png").touch()
    arguments = {"translate": f"--model '{run}' --beam 1", "caption": f"--model '{run}' '{tmp_path / 'cat.png'}'"}
    shell = f"'{sys.executable}' '{answer}' {command} {arguments[command]} --device cpu {place}"
    if place == "|true":
        shell = f"( sleep 1; {shell.removesuffix(place)}; echo $? >&2 ) | true"
    done = subprocess.run(
        ["bash", "-c", shell], input=b"12\n" * 20_000, capture_output=True, env=os.environ | {"PYTHONPATH": "."}
    )
    said = done.stderr.decode().splitlines()
    if place == "|true":
        assert said == [str(status)]
    else:
        assert (done.returncode, len(said)) == (status, 1), said
        assert said[0].startswith("seq2seq: ")
        assert message in said[0]


@pytest.mark.parametrize("writer", ["export", "average"])
def test_a_result_that_the_disk_has_no_room_for_is_refused_before_the_work(
    writer: str, digits_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    size = (digits_run / "model.safetensors").stat().st_size
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=size - 1))
    for work in ("seq2seq.onnx.export._write_files", "seq2seq.training.average._mean"):
        monkeypatch.setattr(work, lambda *_: pytest.fail("worked in vain"))
    assert main(arguments(writer, digits_run, tmp_path / "new" / "out")) == 2
    assert "the disk is full (" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_modes_are_what_the_umask_leaves(umask: int, run: Path, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        for writer in ("train", "prepare", "export", "average", "encode", "inspect", "lr-find"):
            with (run.parent / "lines").open(encoding="utf-8") as stdin, patch.object(sys, "stdin", stdin):
                assert main(arguments(writer, run, tmp_path / f"{writer}-{name_of(writer)}")) == 0
    finally:
        os.umask(before)
    paths = list(tmp_path.rglob("*"))
    assert len(paths) > 40
    wrong = {
        path.relative_to(tmp_path): oct(path.stat().st_mode & 0o777)
        for path in paths
        if path.stat().st_mode & 0o777 != (0o777 if path.is_dir() else 0o666) & ~umask
    }
    assert not wrong


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["model.hidden_size=0"], "must lie between"),
        (["model.colour=1"], "colour"),
        (["data.path=nowhere", "data.format=files"], "nowhere"),
        (["data.train=10"], "too few"),
        (["subword.type=bpe", "subword.vocab_size=9000", "data.validation_size=8", "data.test_size=8"], "vocab"),
        (["training.device_map=['cpu','cuda:77']"], "device"),
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_a_refused_training_leaves_the_folder_as_it_was(
    settings: list[str], message: str, there: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "runs" / "new"
    if there:
        folder.mkdir(parents=True)
        (folder / "notes").touch()
    before = sorted(tmp_path.rglob("*"))
    data = tmp_path.with_name(f"{tmp_path.name} data")
    sets = [part for setting in (f"data.directory={data}", "data.train=300", *settings) for part in ("--set", setting)]
    assert main(["train", "reverse-digits", "--run", str(folder), "--device", "cpu", *sets]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert sorted(tmp_path.rglob("*")) == before


def test_a_training_refused_by_a_lock_or_a_device_leaves_the_folder_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with locked(tmp_path):
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        assert main(["train", "reverse-digits", "--run", str(tmp_path), "--device", "cpu"]) == 2
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert main(["train", "reverse-digits", "--run", str(tmp_path / "a" / "b"), "--device", "gpu"]) == 2
    assert not (tmp_path / "a").exists()
