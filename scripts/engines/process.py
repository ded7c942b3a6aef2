"""A process that is compared, as the script that compares sees it."""

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from engines.turns import Job

TURNS = {
    "64, beam 5": {"batch": 64, "beam": 5},
    "64, greedy": {"batch": 64, "beam": 1},
    "one, beam 5": {"batch": 1, "beam": 5},
    "one, greedy": {"batch": 1, "beam": 1},
}

_SCRIPTS = Path(__file__).resolve().parents[1]
_LIMITS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class StoppedError(Exception):
    """A process ended before its work was done."""


@dataclass
class Engine:
    """A process, and what it measured in each kind of turn."""

    name: str
    process: subprocess.Popen[str]
    errors: IO[str]
    seconds: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in TURNS})
    """Of a sentence, one for each turn."""
    waits: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in TURNS})
    """Seconds until a batch was there."""

    @classmethod
    def start(cls, name: str, command: Sequence[str], job: Job, imports: Sequence[Path]) -> "Engine":
        """Starts the process and waits until it is ready.

        Args:
            name: in the table.
            command: of the process.
            job: what it is told.
            imports: folders that it imports from, besides that of the scripts.

        Raises:
            StoppedError: it failed.
        """
        environment = _environment(job.threads, imports)
        errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - as long as the process
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=errors, text=True, env=environment)
        engine = cls(name, process, errors)
        engine._ask(asdict(job))
        return engine

    def take_turn(self, kind: str, *, by_clock: bool) -> None:
        """Measures once.

        Raises:
            StoppedError: it failed.
        """
        answer = self._ask(TURNS[kind])
        self.seconds[kind].append(sum(answer["waits"]) / answer["count"] if by_clock else answer["cpu"])
        self.waits[kind] += answer["waits"]

    def median(self, kind: str) -> float:
        """Seconds of a sentence."""
        return statistics.median(self.seconds[kind])

    def quantile(self, kind: str, share: float) -> float:
        """Seconds within which this share of the batches were there."""
        waits = sorted(self.waits[kind])
        return waits[int(share * (len(waits) - 1))]

    def stop(self) -> None:
        """Ends the process."""
        self.process.communicate()
        self.errors.close()

    def _ask(self, question: object) -> Any:
        """One line there, one line back."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if answer:
            return json.loads(answer)
        self.process.wait()
        self.errors.seek(0)
        last = self.errors.read().strip().splitlines()[-1:] or [f"exit {self.process.returncode}"]
        self.stop()
        raise StoppedError(f"{self.name} stopped: {last[0]}")


def _environment(threads: int, imports: Sequence[Path]) -> Mapping[str, str]:
    path = os.pathsep.join(map(str, [_SCRIPTS, *imports]))
    return {**os.environ, **dict.fromkeys(_LIMITS, str(threads)), "PYTHONPATH": path}
