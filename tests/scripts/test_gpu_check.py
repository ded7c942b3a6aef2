"""scripts/gpu_check.py in miniature: every measurement runs on a CPU, and a section cannot hold the others up."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "scripts"


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(SCRIPTS)]))
    return [sys.executable, str(SCRIPTS / "gpu_check.py")]


@pytest.mark.slow
def test_every_measurement_runs_in_miniature(command: list[str]) -> None:
    parts = "machine", "updates", "producer", "search", "recipe"
    said = subprocess.run(
        [*command, "--miniature", "--minutes", "20", "--only", *parts], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert said.stdout.endswith("all sections passed\n")
    assert len(re.findall(r"s, status 0$", said.stdout, flags=re.MULTILINE)) == len(parts)
    assert "missing packages: none" in said.stdout
    rates = re.findall(r"^\| .* \| ([\d,]+) \| [\d.]+%", said.stdout, flags=re.MULTILINE)
    assert rates
    assert all(int(rate.replace(",", "")) > 0 for rate in rates)


def test_a_section_that_hangs_costs_no_other(command: list[str]) -> None:
    options = ["--miniature", "--minutes", "0", "--limit", "0.05", "--only", "machine", "producer"]
    said = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert said.returncode == 1
    assert said.stdout.count("Stopped after its limit") == 2
    assert said.stdout.endswith("not passed: machine, producer\n")
