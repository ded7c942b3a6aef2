"""The training that nobody disturbs, and chance."""

import os
import random
import secrets
import time
from pathlib import Path

import pytest
from children import Child
from reference import RECIPE, Reference, ending
from work import command_killed_at


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    folder = tmp_path_factory.mktemp("reference")
    settings = [f"data.directory={folder / 'data'}", *RECIPE]

    def arguments(run: Path) -> list[str]:
        sets = [part for setting in settings for part in ("--set", setting)]
        return ["train", "reverse-digits", "--run", str(run), "--device", "cpu", *sets]

    Child(command_killed_at, 0, "", *arguments(folder / "first")).end()  # makes the corpus
    run = folder / "run"
    started = time.monotonic()
    status, words = Child(command_killed_at, 0, str(run), *arguments(run)).end()
    assert status == 0, words
    return Reference(arguments, run, ending(run), int(words.split()[-1]), time.monotonic() - started)


_SEED = os.environ.get("RELIABILITY_SEED") or str(secrets.randbits(32))


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """Other moments every time; where a test fails it says how to have the same again."""
    print(f"RELIABILITY_SEED={_SEED}")
    return random.Random(f"{_SEED} {request.node.name}")
