"""What a neighbour costs on a CPU: one job alone, and beside another.

Threads that wait for one another may spin or yield. Our commands let them yield soon (``seq2seq/cli/__init__.py``);
measured is each job as a command has it, and as OpenMP would have it. The jobs: a process that translates, beside one
that does the same, one sentence and 64 at a time, greedily, outputs of 12 tokens; and a training beside a process that
counts. Where jobs share fairly, each takes twice as long as alone if it used all CPUs alone, and less if it did not.

    .venv/bin/python scripts/benchmark_neighbours.py --model runs/tatoeba-en-es
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from engines.job import make_job
from engines.process import Engine, StoppedError
from engines.turns import Job

from seq2seq.errors import Seq2SeqError

_ROOT = Path(__file__).resolve().parents[1]
# Set before the program; the latter is what libgomp takes where nothing is set.
_WAITING: dict[str, list[str]] = {"yield": [], "spin": ["env", "GOMP_SPINCOUNT=300000"]}
_KINDS = ("one, greedy", "64, greedy")
_LOG_EVERY, _WINDOWS = 20, 5


@dataclass(frozen=True, slots=True)
class Cost:
    """Of a job, in milliseconds of a sentence or of a thousand target tokens."""

    alone: float
    beside: float

    def __str__(self) -> str:
        return f"{self.alone:.1f} → {self.beside:.1f} ({self.beside / self.alone:.1f})"


def translate(command: Sequence[str], job: Job, rounds: int) -> dict[str, Cost]:
    """What a sentence costs, by kind of turn: by turns one process, and two at once."""
    alone, *pair = engines = [Engine.start("ours", command, job, [_ROOT]) for _ in range(3)]
    for _ in range(rounds):
        for kind in _KINDS:
            alone.take_turn(kind, by_clock=True)
            with ThreadPoolExecutor() as pool:
                list(pool.map(partial(Engine.take_turn, kind=kind, by_clock=True), pair))
    for engine in engines:
        engine.stop()
    beside = {kind: statistics.mean(engine.median(kind) for engine in pair) for kind in _KINDS}
    return {kind: Cost(1e3 * alone.median(kind), 1e3 * beside[kind]) for kind in _KINDS}


def train(command: Sequence[str]) -> float:
    """Milliseconds of a thousand target tokens: the median of some windows, after the first."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        options = ["--run", folder, "--device", "cpu", "--set", f"training.log_every={_LOG_EVERY}"]
        with running([*command, *options]) as training:
            while len(rates := read_rates(log)) <= _WINDOWS:
                if training.poll() is not None:
                    raise StoppedError(f"{' '.join(command)} stopped with exit {training.returncode}")
                time.sleep(0.5)
    return 1e6 / statistics.median(rates[1:])


def read_rates(log: Path) -> list[float]:
    """Target tokens a second of each window so far."""
    entries = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return [entry["tokens_per_second"] for entry in entries if entry["type"] == "training"]


@contextmanager
def running(command: Sequence[str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that ends with the block."""
    silent = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=silent, stdout=silent, stderr=silent)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, type=Path, help="a run")
    parser.add_argument("--recipe", default="tatoeba-en-es", help="to train")
    parser.add_argument("--engines", nargs="+", default=["onnx-int8", "torch-fp32"], metavar="ENGINE-PRECISION")
    parser.add_argument("--sentences", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    job = make_job(options.model, options.sentences, options.threads)
    print(f"{options.threads} threads, CPUs {sorted(os.sched_getaffinity(0))}, load {os.getloadavg()[0]:.1f}; alone → "
          "beside another (ratio): ms of a sentence, of 1,000 tokens where it trains\n")  # fmt: skip
    print(f"| | {' | '.join(_WAITING)} |\n|{'---|' * (1 + len(_WAITING))}")
    for name in options.engines:
        engine, _, precision = name.partition("-")
        ours = [sys.executable, "-m", "engines.ours", "--model", str(options.model)]
        command = [*ours, "--engine", engine, "--precision", precision]
        costs = [translate([*waiting, *command], job, options.rounds) for waiting in _WAITING.values()]
        for kind in _KINDS:
            print(f"| {engine} {precision}: {kind} | {' | '.join(str(cost[kind]) for cost in costs)} |", flush=True)
    trainings = []
    for waiting in _WAITING.values():
        seconds = []
        for neighbour in (nullcontext(), running([sys.executable, "-c", "while True: pass"])):
            with neighbour:
                seconds.append(train([*waiting, sys.executable, "-m", "seq2seq", "train", options.recipe]))
        trainings.append(Cost(*seconds))
    print(f"| training | {' | '.join(map(str, trainings))} |")


if __name__ == "__main__":
    try:
        main()
    except (Seq2SeqError, StoppedError) as error:
        raise SystemExit(f"benchmark_neighbours: {error}") from None
