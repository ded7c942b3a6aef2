"""The interface of a toolkit, the model sizes that all share, and timed commands."""

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

SRC, TGT = "en", "de"
LAYERS, EMBEDDING, HIDDEN, PIECES = 2, 256, 512, 8000
BATCH, LEARNING_RATE, SMOOTHING, CLIP, BEAM = 64, 1e-3, 0.1, 1.0, 5
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
class Sources:
    """Sentences to translate."""

    text: Path
    pieces: Path
    count: int


@dataclass(frozen=True, slots=True)
class Lengths:
    """Fewest and most tokens of an output, without the end mark."""

    least: int
    most: int


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
    few: Sources
    many: Sources
    """Begins with ``few``."""


@dataclass(frozen=True, slots=True)
class Command:
    """A process that is timed from its start to its end."""

    arguments: list[str]
    stdin: Path | None = None
    stdout: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


class Toolkit(Protocol):
    """One way to train and decode."""

    difference: ClassVar[str]
    """How it differs from our toolkit, in words."""

    @property
    def name(self) -> str:
        """Its row in the tables."""

    def train(self, sample: Sample, run: Path) -> Command:
        """Prepares, untimed; returns the command that trains one epoch into ``run``."""

    def decode(self, run: Path, sources: Sources, lengths: Lengths, output: Path) -> Command:
        """The command that translates into ``output``."""

    def outputs(self, output: Path) -> list[list[str]]:
        """The pieces of each translation."""

    def why_not(self, lengths: Lengths) -> str:
        """Why it cannot keep outputs to these lengths; empty if it can."""


def peer_environment() -> dict[str, str]:
    """Environment variables of the other toolkits; ``shim/sitecustomize.py`` explains them."""
    return {"PYTHONPATH": str(_SHIM), "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}


def run_command(command: Command, threads: int, log: Path) -> float:
    """Runs a command and returns its seconds.

    Raises:
        ToolkitError: it failed; with the end of its log.
    """
    limits = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(limits, str(threads)), **command.environment}
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("wb") as errors,
        open(command.stdin or os.devnull, "rb") as stdin,
        open(command.stdout or os.devnull, "wb") as stdout,
    ):
        started = time.perf_counter()
        code = subprocess.run(
            command.arguments,
            env=environment,
            cwd=log.parent,
            stdin=stdin,
            stdout=stdout if command.stdout else errors,
            stderr=errors,
        ).returncode
        seconds = time.perf_counter() - started
    if code:
        end = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
        raise ToolkitError(f"exit {code}, log {log}: {' / '.join(end)}")
    return seconds


def read_pieces(path: Path) -> list[list[str]]:
    """Pieces of each line of a file."""
    return [line.split(" ") if line else [] for line in path.read_text(encoding="utf-8").removesuffix("\n").split("\n")]
