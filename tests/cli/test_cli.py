"""The command as a user meets it."""

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seq2seq.cli import main
from seq2seq.cli.options import may_have_gpu
from seq2seq.recipe import recipe_names, recipe_text

THREE_LINES = b"1\n\n\xff2\n"


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from seq2seq.cli import _parser; _parser(); "
        "print([name for name in sys.modules if name in ('torch', 'datasets', 'numpy')])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout == b"[]\n"


@pytest.mark.parametrize(
    ("given", "spins"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "active"}, None)], ids=str
)
def test_threads_yield_unless_the_user_says_otherwise(
    given: dict[str, str], spins: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that it is restored
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert main(["recipes"]) == 0
    assert os.environ.get("GOMP_SPINCOUNT") == spins


def test_recipes_are_listed_and_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == recipe_names()
    assert main(["recipes", "reverse-digits"]) == 0
    assert capsys.readouterr().out == recipe_text("reverse-digits")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "no-such-recipe"], "no recipe or file named 'no-such-recipe'"),
        (["prepare", "reverse-digits", "--set", "model.layer=3"], "unknown key model.layer (did you mean layers?)"),
        (["translate", "--model", "no-such-run"], "no-such-run is not a folder"),
        (["evaluate", "--model", "no-such-run"], "no-such-run"),
        (["inspect", "--model", "no-such-run", "--text", "x"], "no-such-run is not a folder"),
        (["lr-find", "no-such-recipe"], "no recipe or file named 'no-such-recipe'"),
        (["lr-find", "reverse-digits", "--out", "x.gif"], "must end in .svg or .png"),
        (["evaluate", "--model", "x", "--src", "y"], "--src and --ref go together"),
        (["train", "reverse-digits", "--device", "tpu"], "device 'tpu' cannot be used"),
    ],
)
def test_mistakes_are_one_line_and_exit_2(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("seq2seq: ")
    assert captured.err.count("\n") == 1
    assert expected in captured.err


@pytest.mark.parametrize("driver", ["/dev/nvidiactl", "/dev/kfd", "/dev/dxg"])
def test_torch_is_asked_for_a_gpu_where_there_may_be_one(driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for present in (True, False):
        monkeypatch.setattr(os.path, "exists", lambda path, present=present: present and path == driver)
        assert may_have_gpu() == present
    monkeypatch.setattr(sys, "platform", "win32")
    assert may_have_gpu()


@pytest.mark.parametrize("value", ["0", "-1", "x"])
def test_nonsense_numbers_exit_2(value: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["translate", "--model", "x", "--beam", value])
    assert caught.value.code == 2


def test_more_outputs_than_beam_are_refused(digits_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["translate", "--model", str(digits_run), "--beam", "2", "--nbest", "3"]) == 2
    assert "nbest = 3 is more than beam = 2" in capsys.readouterr().err


def check_three_lines(output: bytes) -> None:
    assert output.count(b"\n") == 3
    assert output.split(b"\n")[1] == b""


def test_a_process_without_a_locale_gives_three_lines_for_three(digits_run: Path) -> None:
    command = [sys.executable, "-m", "seq2seq", "translate", "--model", digits_run]
    environment = os.environ | {"LC_ALL": "C"}
    done = subprocess.run(command, input=THREE_LINES, capture_output=True, timeout=120, env=environment)
    assert done.returncode == 0
    assert done.stderr.startswith(b"warning: stdin, line 3: expected UTF-8")
    assert done.stderr.count(b"\n") == 1
    check_three_lines(done.stdout)


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", "utf-16"])
def test_no_encoding_of_the_streams_matters(encoding: str, digits_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output, errors = io.BytesIO(), io.StringIO()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(THREE_LINES), encoding=encoding))
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(output, encoding=encoding))
    monkeypatch.setattr("sys.stderr", errors)
    assert main(["translate", "--model", str(digits_run)]) == 0
    assert errors.getvalue().startswith("warning: the input, line 3: expected UTF-8")
    assert errors.getvalue().count("\n") == 1
    check_three_lines(output.getvalue())


def test_a_reader_that_leaves_early_is_no_error(digits_run: Path) -> None:
    command = [sys.executable, "-m", "seq2seq", "translate", "--model", digits_run, "--beam", "1"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # With this variable stdout has no buffer, and nothing is left to be flushed at exit.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(command, bufsize=0, env=environment, **pipes) as process:
        process.stdin.write(b"12\n")
        assert process.stdout.readline().endswith(b"\n")
        process.stdout.close()
        process.stdin.write(b"34\n")
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=120) == 141


def test_evaluating_files(digits_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "src").write_text("123\n\n45\n")
    (tmp_path / "ref").write_text("321\n\n54\n")
    (tmp_path / "ref 2").write_text("999\n\n54\n")
    out = tmp_path / "out"
    arguments = ["--src", tmp_path / "src", "--ref", tmp_path / "ref", tmp_path / "ref 2", "--out", out, "--beam", "2"]
    arguments += [
        "--tokenize",
        "char",
        "--set",
        "evaluation.metrics=['bleu', 'cer']",
        "--model",
        digits_run,
        digits_run,
    ]
    assert main(["evaluate", *map(str, arguments)]) == 0
    content = json.loads((out / "evaluation.json").read_bytes())
    assert (content["sentences"], content["beam"]) == (3, 2)
    signature = content["bleu"]["signature"]
    assert signature.startswith("nrefs:2|")
    assert "|tok:char|" in signature
    assert signature in capsys.readouterr().out
    assert "chrf" not in content
    assert {path.name for path in out.iterdir()} == {"evaluation.json", "outputs.tsv"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--src", __file__], "--src and --ref go together"),
        (["--set", "model.layers=3"], "expected a setting of data, decoding, evaluation"),
        (["--set", "evaluation.metrics=[]"], "must name at least one metric"),
        (["--set", "evaluation.metrics=['blue']"], 'must be a list of "bleu", "chrf"'),
        (["--out", str(Path(__file__).parent)], "expected a new or empty folder, found files in it"),
    ],
)
def test_what_evaluate_cannot_do_is_one_line(
    arguments: list[str], said: str, digits_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--model", str(digits_run), *arguments]) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.count("\n") == 1


@pytest.mark.slow
def test_ctrl_c_saves_and_the_same_command_goes_on(tmp_path: Path) -> None:
    arguments = ["train", "reverse-digits", "--run", tmp_path / "run", "--set", "training.max_updates=100000"]
    arguments += ["--set", "data.train=2000", "--set", f"data.directory={tmp_path}"]
    arguments += ["--set", "data.validation_size=10", "--set", "data.test_size=10"]
    process = subprocess.Popen([sys.executable, "-m", "seq2seq", *map(str, arguments)], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "log.jsonl").is_file() and time.monotonic() < deadline:
        time.sleep(0.2)
    process.terminate()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 143
    assert b"stopped by SIGTERM" in errors
    assert b"Traceback" not in errors
    assert list((tmp_path / "run" / "checkpoints").iterdir())


def test_lack_of_memory_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(error: Exception) -> None:
        raise error

    monkeypatch.setattr("seq2seq.recipe.recipe_names", lambda: fail(MemoryError()))
    assert main(["recipes"]) == 2
    assert capsys.readouterr().err.startswith("seq2seq: out of memory (MemoryError): free some")
    monkeypatch.setattr("seq2seq.recipe.recipe_names", lambda: fail(RuntimeError("something else")))
    with pytest.raises(RuntimeError, match="something else"):
        main(["recipes"])
