"""What every toolkit is asked for, the sizes all are given, and how their commands are run and timed."""

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
"""Padding, unknown word, begin and end mark: the first ids of our vocabulary, which others call as they like."""

_SHIM = Path(__file__).parent / "shim"


class ToolkitError(Exception):
    """A command of a toolkit failed."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Training pairs, as pieces between spaces; one epoch over them is one training."""

    src: Path
    tgt: Path
    pairs: int
    tokens: int
    """Real target tokens, one end mark a sentence included."""

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
    """Fewest and most tokens of an output, end mark left out."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Corpus:
    """What :func:`peers.corpus.make_corpus` made for all."""

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
    """A process whose whole life is timed."""

    arguments: list[str]
    stdin: Path | None = None
    stdout: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


class Toolkit(Protocol):
    """One way to train and decode."""

    difference: ClassVar[str]
    """What is not as in our toolkit, in words."""

    @property
    def name(self) -> str:
        """Its row in the tables."""

    def train(self, sample: Sample, run: Path) -> Command:
        """Gets everything ready that needs no time to be taken; the command trains one epoch into ``run``."""

    def decode(self, run: Path, sources: Sources, lengths: Lengths, output: Path) -> Command:
        """The command that translates into ``output``."""

    def outputs(self, output: Path) -> list[list[str]]:
        """The pieces of each translation."""

    def why_not(self, lengths: Lengths) -> str:
        """Why outputs cannot be kept to these lengths; empty if they can."""


def peer_environment() -> dict[str, str]:
    """What the processes of other toolkits get to see; ``shim/sitecustomize.py`` says why."""
    return {"PYTHONPATH": str(_SHIM), "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}


def run_command(command: Command, threads: int, log: Path) -> float:
    """Seconds that the process lived.

    Raises:
        ToolkitError: it failed; with the end of what it wrote.
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
