"""Every command under every locale, encoding and state of the standard streams, and with names of any bytes."""

import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from shapes import make_corpus

pytestmark = pytest.mark.slow

SMALL = [
    *("data.train=300", "data.validation_size=8", "data.test_size=8", "data.directory=data"),
    *("model.hidden_size=8", "model.embedding_size=8", "model.layers=1", "training.max_updates=2"),
]
PICTURES = [
    *("data.path=shapes", "data.directory=data", "model.hidden_size=8", "model.embedding_size=8"),
    *("subword.vocab_size=20", "training.batch_sentences=8", "training.max_updates=1", "training.warmup_updates=0"),
]


def sets(settings: list[str]) -> list[str]:
    """Settings as options."""
    return [part for setting in settings for part in ("--set", setting)]


@dataclass(frozen=True)
class Command:
    """A command in a folder that holds runs and files."""

    arguments: list[str]
    stdin: str = os.devnull
    reads: bool = False
    """It cannot do without stdin."""
    writes: bool = False
    """It cannot do without stdout."""


def commands(run: str, looks: str, sources: str, out: str) -> dict[str, Command]:
    """All commands, with a run of text and one of pictures, a file of sources and the beginning of results' names."""
    model = ["--model", run]
    each = {
        "recipes": Command(["recipes"]),
        "recipe": Command(["recipes", "wmt14-en-fr"]),
        "prepare": Command(["prepare", "reverse-digits", *sets(SMALL)]),
        "train": Command(["train", "reverse-digits", "--run", f"{out}trained", *sets(SMALL)]),
        "status": Command(["status", run]),
        "lr-find": Command(["lr-find", "reverse-digits", "--out", f"{out}plot.svg", *sets(SMALL)]),
        "average": Command(["average", run, run, "--out", f"{out}mean"]),
        "translate": Command(["translate", *model], "stdin", reads=True, writes=True),
        "nbest": Command(["translate", *model, "--nbest", "2", "--src", sources], writes=True),
        "constraints": Command(["translate", *model, "--prefix", sources], "stdin", reads=True, writes=True),
        "caption": Command(["caption", "--model", looks, "shapes/images/valid0.png", f"{out}no picture"]),
        "score": Command(["score", *model, "--src", sources, "--tgt", sources, "--tokens"], writes=True),
        "rescore": Command(["rescore", *model, "--src", sources], "lists", reads=True, writes=True),
        "encode": Command(["encode", *model, "--out", f"{out}vectors.npy"], "stdin", reads=True),
        "evaluate": Command(["evaluate", *model, "--src", sources, "--ref", sources, "--beam", "1"]),
        "inspect": Command(["inspect", *model, "--text", "12\u00e9", "--out", f"{out}page.html"]),
        "export": Command(["export", *model, "--out", f"{out}onnx"]),
    }
    helped = dict.fromkeys(command.arguments[0] for command in each.values())
    each |= {f"{name} --help": Command([name, "--help"]) for name in helped}
    each |= {
        "--help": Command(["--help"]),
        "mistake": Command(["translate", "--model", f"{out}no run"], "stdin"),
        "no setting": Command(["train", "reverse-digits", "--set", "model.\u00e9=\u00fc"]),
        "no file": Command(["translate", *model, "--src", f"{out}no file"], writes=True),
    }
    return each


@dataclass(frozen=True)
class Result:
    """What a command did."""

    status: int
    output: bytes
    errors: bytes


def run_all(
    chosen: dict[str, Command], folder: Path, environment: dict[str, str], closing: str = ""
) -> dict[str, Result]:
    """Runs commands in a folder, in children of one interpreter; ``closing`` is a redirection of the shell's."""
    folder.joinpath("said").mkdir()
    closed = [number for number, words in enumerate(("0<&-", "1>&-", "2>&-")) if words in closing.split()]
    job = {"closed": closed, "commands": [vars(command) for command in chosen.values()]}
    folder.joinpath("job").write_text(json.dumps(job), encoding="utf-8")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    root = Path(__file__).parents[2]
    clean |= {"PYTHONPATH": str(root), "LC_ALL": "C.UTF-8"}
    script = [sys.executable, str(Path(__file__).with_name("commands.py")), "job", "said"]
    shell = ["sh", "-c", f'exec "$@" {closing}', "sh"]
    subprocess.run([*shell, *script], cwd=folder, env=clean | environment, check=True, timeout=600)

    def read(place: int, kind: str) -> bytes:
        path = folder / "said" / f"{place}.{kind}"
        return path.read_bytes() if path.exists() else b""

    return {
        name: Result(int(read(place, "status")), read(place, "out"), read(place, "err"))
        for place, name in enumerate(chosen)
    }


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of text, one of pictures, and what the commands read."""
    folder = tmp_path_factory.mktemp("material")
    make_corpus(folder / "shapes", {"train": 8, "valid": 4}, random.Random(1))
    (folder / "stdin").write_bytes(b"123\n\xff\xc3\xa9\n\n")
    (folder / "sources").write_bytes("12\né3\n\n".encode())
    (folder / "lists").write_bytes("0 ||| é ||| -1\n1 ||| 中 1 ||| -1\n2 |||  ||| 0\n".encode())
    made = {
        "text": Command(["train", "reverse-digits", "--run", "run", *sets(SMALL)]),
        "pictures": Command(["train", "flickr8k", "--run", "looks", *sets(PICTURES)]),
    }
    for result in run_all(made, folder, {}).values():
        assert result.status == 0, result.errors.decode()
    shutil.rmtree(folder / "said")
    return folder


@pytest.fixture(scope="module")
def usual(material: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """What all commands do in an environment without peculiarities."""
    folder = shutil.copytree(material, tmp_path_factory.mktemp("usual") / "work")
    results = run_all(commands("run", "looks", "sources", "new "), folder, {})
    for name, result in results.items():
        assert result.status == EXPECTED.get(name, 0), (name, result)
    return results


EXPECTED = {"caption": 2, "mistake": 2, "no setting": 2, "no file": 2}
VARYING = ("status", "export")  # they say how long ago, and the folder's whole path
FILTERS = ("translate", "nbest", "constraints", "caption", "score", "rescore")
ENVIRONMENTS = {
    "C": ({"LC_ALL": "C"}, ""),
    "POSIX": ({"LC_ALL": "POSIX", "PYTHONUTF8": "0"}, ""),
    "latin-1": ({"PYTHONIOENCODING": "latin-1"}, ""),
    "ascii": ({"PYTHONIOENCODING": "ascii"}, ""),
    "unbuffered": ({"PYTHONUNBUFFERED": "1"}, ""),
    "no stderr": ({}, "2>&-"),
    "no stdout": ({}, "1>&-"),
    "no stdin": ({}, "0<&-"),
    "no streams": ({}, "0<&- 1>&- 2>&-"),
}


# The others, and every name under every locale, with RELIABILITY=full: two minutes more.
FULL = os.environ.get("RELIABILITY") == "full"
LOCALES = ["C", "POSIX"] if FULL else ["POSIX"]


@pytest.mark.parametrize("environment", ENVIRONMENTS if FULL else ["POSIX", "ascii", "no stderr"])
def test_every_command_does_the_same_in_every_environment(
    environment: str, material: Path, usual: dict[str, Result], tmp_path: Path
) -> None:
    variables, closing = ENVIRONMENTS[environment]
    chosen = commands("run", "looks", "sources", "new ")
    results = run_all(chosen, shutil.copytree(material, tmp_path / "work"), variables, closing)
    faults = []
    for name, result in results.items():
        lacks = ("0<&-" in closing and chosen[name].reads) or ("1>&-" in closing and chosen[name].writes)
        same = name in VARYING or result.output == (b"" if "1>&-" in closing or lacks else usual[name].output)
        if result.status != (2 if lacks else usual[name].status) or not same or b"Traceback" in result.errors:
            faults.append((name, result))
    assert not faults, "\n".join(f"{name}: {result}" for name, result in faults)


NAMES = {
    "no UTF-8": "\udcff\udcfe ",
    "not ASCII": "\u00e9\u4e2d ",
    "spaces": " two  words ",
    "a line break": "new\nline ",
    "quotes": "a'b\"c$d\\ ",
    "a leading dash": "-x ",
}


TAKE_NO_NAME = ("recipes", "recipe", "prepare", "status")
REFUSED = "expected arguments in "


@pytest.mark.parametrize("name", NAMES if FULL else ["no UTF-8", "a line break", "a leading dash"])
@pytest.mark.parametrize("environment", LOCALES)
def test_every_command_takes_names_of_any_bytes(
    environment: str, name: str, material: Path, usual: dict[str, Result], tmp_path: Path
) -> None:
    """Or refuses them before it works, where they would end up in files that are text."""
    folder = shutil.copytree(material, tmp_path / "work")
    start = NAMES[name]
    for old in ("run", "looks", "sources"):
        (folder / old).rename(folder / f"{start}{old}")
    near = "./" if start.startswith("-") else ""
    chosen = commands(*(f"{near}{start}{old}" for old in ("run", "looks", "sources", "new ")))
    results = run_all(chosen, folder, ENVIRONMENTS[environment][0])
    foreign = name == "no UTF-8" or (name, environment) == ("not ASCII", "POSIX")
    faults = []
    for each, result in results.items():
        refused = foreign and each not in TAKE_NO_NAME and "--help" not in each
        same = each not in FILTERS or result.output == (b"" if refused else usual[each].output)
        one_line = result.status != 2 or result.errors.count(b"\n") == 1
        told = not refused or REFUSED in result.errors.decode() or each in ("no setting",)
        expected = 2 if refused else usual[each].status
        if result.status != expected or not (same and one_line and told) or b"Traceback" in result.errors:
            faults.append((each, result))
    assert not faults, "\n".join(f"{each}: {result}" for each, result in faults)
    assert not foreign or not list(folder.glob(f"{start}new *"))


@pytest.mark.parametrize("environment", LOCALES)
@pytest.mark.parametrize("where", ["a file", "a folder above"])
def test_bytes_that_are_no_utf8_do_no_harm_in_other_names(
    where: str, environment: str, material: Path, usual: dict[str, Result], tmp_path: Path
) -> None:
    start = NAMES["no UTF-8"]
    folder = shutil.copytree(material, tmp_path / start / "work" if where == "a folder above" else tmp_path / "work")
    sources = "sources" if where == "a folder above" else f"{start}sources"
    (folder / "sources").rename(folder / sources)
    results = run_all(commands("run", "looks", sources, "new "), folder, ENVIRONMENTS[environment][0])
    faults = []
    for each, result in results.items():
        same = result.output == usual[each].output or each not in FILTERS
        # evaluate writes the file's name down, and onnxruntime opens no such path.
        expected = 2 if each == {"a file": "evaluate", "a folder above": "export"}[where] else usual[each].status
        if result.status != expected or not same or b"Traceback" in result.errors:
            faults.append((each, result))
    assert not faults, "\n".join(f"{each}: {result}" for each, result in faults)
