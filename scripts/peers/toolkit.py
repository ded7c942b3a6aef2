"""The interface of a toolkit, the model sizes that all share, and timed commands."""

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

SRC, TGT = "en", "de"
LAYERS, EMBEDDING, HIDDEN, PIECES = 2, 256, 512, 8000
BATCH, LEARNING_RATE, SMOOTHING, CLIP = 64, 1e-3, 0.1, 1.0
SPECIALS = 4
"""Padding, unknown word, begin and end mark: the first ids of our vocabulary."""

_SHIM = Path(__file__).parent / "shim"


class ToolkitError(Exception):
    """A command of a toolkit failed."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Training pairs, as pieces separated by spaces; one training is one epoch over them."""

    src: Path
    tgt: Path
    pairs: int
    tokens: int
    """Target tokens with one end mark a sentence, without padding."""

    @property
    def updates(self) -> int:
        """Batches of :data:`BATCH` sentences."""
        return self.pairs // BATCH


@dataclass(frozen=True, slots=True)
class Corpus:
    """Files that :func:`peers.corpus.make_corpus` made for all toolkits."""

    recipe: Path
    """Our toolkit's recipe."""
    vocabulary: tuple[str, ...]
    """The pieces, without the special ones."""
    short: Sample
    long: Sample
    """Begins with ``short``."""


@dataclass(frozen=True, slots=True)
class Command:
    """A process that is timed from its start to its end."""

    arguments: list[str]
    environment: Mapping[str, str]


class Toolkit(Protocol):
    """One way to train."""

    difference: ClassVar[str]
    """How it differs from our toolkit, in words."""

    @property
    def name(self) -> str:
        """Its row in the tables."""

    def train(self, sample: Sample, run: Path) -> Command:
        """Prepares, untimed; returns the command that trains one epoch into ``run``."""


def peer_environment() -> dict[str, str]:
    """Environment variables of the other toolkits; ``shim/sitecustomize.py`` explains them."""
    return {"PYTHONPATH": str(_SHIM)}


def run_command(command: Command, threads: int, log: Path) -> float:
    """Runs a command and returns its seconds.

    Raises:
        ToolkitError: it failed; with the end of its log.
    """
    limits = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(limits, str(threads)), **command.environment}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        started = time.perf_counter()
        code = subprocess.run(
            command.arguments, env=environment, cwd=log.parent, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        ).returncode
        seconds = time.perf_counter() - started
    if code:
        end = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
        raise ToolkitError(f"exit {code}, log {log}: {' / '.join(end)}")
    return seconds
