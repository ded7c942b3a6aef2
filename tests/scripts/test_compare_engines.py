"""scripts/compare_engines.py: who is there is compared, who is not or fails is named, and no output is cheaper."""

import importlib
import io
import json
import shlex
import sys
from argparse import Namespace
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture(autouse=True)
def _scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(SCRIPTS)


def install(environments: Path, name: str, program: str) -> None:
    """Puts a program in the place of the interpreter of a toolkit's environment."""
    path = environments / name / "bin" / "python"
    path.parent.mkdir(parents=True)
    program_path = path.with_name("program.py")
    program_path.write_text(program)
    # Not the interpreter in the first line: its path may hold a space.
    path.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(program_path))}\n")
    path.chmod(0o755)


def clockwork(seconds: float) -> str:
    """A program that answers every turn, and says that a sentence took so long."""
    answer = json.dumps({"cpu": seconds, "waits": [seconds], "count": 1})
    lines = ["import sys", "print(len(sys.stdin.readline()), flush=True)"]
    return "\n".join([*lines, "for _ in sys.stdin:", f"    print({answer!r}, flush=True)"])


def test_compares_who_is_there_and_names_who_is_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(tmp_path, "ctranslate2", clockwork(0.25))
    install(tmp_path, "bergamot", clockwork(0.125))
    install(tmp_path, "fairseq", clockwork(0.0625))
    install(tmp_path, "opennmt", "raise SystemExit('no onmt here')\n")
    script, process, turns = (
        importlib.import_module(name) for name in ("compare_engines", "engines.process", "engines.turns")
    )
    job = turns.Job(1, ["a"], [1], "", 6000, 256, 256, 3, bidirectional=False, attention=False)
    engines = script.start_all(Namespace(engines=[], environments=tmp_path), job)
    for engine in engines:
        for kind in process.TURNS:
            engine.take_turn(kind, by_clock=False)
        engine.stop()
    script.print_table(engines)
    script.print_ratios(engines)
    said = capsys.readouterr().out.splitlines()
    assert "JoeyNMT is left out: no environment joeynmt" in said
    assert "left out: OpenNMT-py stopped: no onmt here" in said
    # Sentences a second, times the best of what one would take instead of ours, which fairseq is not; then the waits.
    assert f"| CTranslate2 B |{' 4 (0.50) |' * 4}{' 250.0 / 250.0 |' * 2}" in said
    assert f"| fairseq |{' 16 (2.00) |' * 4}{' 62.5 / 62.5 |' * 2}" in said
    # How many times as fast the first is, which is CTranslate2 A.
    assert f"| fairseq |{' 0.25 |' * 4}" in said


def test_outputs_of_another_length_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = importlib.import_module("engines.turns")
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"batch": 2, "beam": 5}) + "\n"))
    lengths = iter([[turns.TOKENS], [turns.TOKENS, 3]])
    with pytest.raises(ValueError, match=r"outputs of \[3, 12\] tokens"):
        turns.answer_turns(["a", "b"], lambda batch, beam: next(lengths))
