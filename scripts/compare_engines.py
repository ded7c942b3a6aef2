"""Speed of decoding on a CPU: our engines and CTranslate2, by turns, in one run of this script.

Every output has 12 tokens, so weights do not matter and any run of the right sizes will do. Each engine is a process
that translates the same number of sentences in its turn, first 64 at once with a beam of 5, then greedily, then one at
a time; the others wait meanwhile. ``--rounds`` turns each; the median counts. With one thread the seconds are those of
the processor, which other programs on the machine disturb less than a clock; with more they are the clock's.

CTranslate2 runs Transformers of random weights in 8 bits, width 256 and 6,000 pieces: A has 3 + 3 layers, B 6 + 2 with
wider feed-forward layers. It needs an environment of its own and is left out without one:

    python3 -m venv /tmp/ct2 && /tmp/ct2/bin/pip install ctranslate2
    .venv/bin/python scripts/compare_engines.py --model runs/tatoeba-en-es --ctranslate2 /tmp/ct2/bin/python

Not alike: ours splits text into pieces and joins pieces to text, CTranslate2 gets pieces, as many as ours reads. Ours
also computes the end mark after the 12 tokens, CTranslate2 stops there. Other toolkits: scripts/compare_peers.py.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engines.turns import TOKENS

from seq2seq.corpus.prepared import prepare
from seq2seq.decoding.translator import Translator
from seq2seq.errors import Seq2SeqError

_HERE = Path(__file__).parent
_TURNS = {
    "64, beam 5": {"batch": 64, "beam": 5},
    "64, greedy": {"batch": 64, "beam": 1},
    "one, beam 5": {"batch": 1, "beam": 5},
    "one, greedy": {"batch": 1, "beam": 1},
}
_TRANSFORMERS = {"CTranslate2 A": ["--layers", "3", "3", "--inner", "1024"]}
_TRANSFORMERS["CTranslate2 B"] = ["--layers", "6", "2", "--inner", "1536"]


@dataclass
class Engine:
    """A process, and what it measured in each kind of turn."""

    name: str
    process: subprocess.Popen[str]
    seconds: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _TURNS})
    """Of a sentence."""
    waits: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in _TURNS})
    """Seconds until a batch was there."""

    @classmethod
    def start(cls, name: str, command: Sequence[str], sentences: Sequence[object]) -> "Engine":
        """Starts the process and waits until it is ready."""
        environment = {**os.environ, "PYTHONPATH": f"{_HERE}{os.pathsep}{_HERE.parent}"}
        pipe = subprocess.PIPE
        engine = cls(name, subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment))
        engine.ask(sentences)
        return engine

    def ask(self, question: object) -> Any:
        """One line there, one line back."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"compare_engines: {self.name} stopped; its error is above")
        return json.loads(answer)

    def take_turn(self, kind: str, *, by_clock: bool) -> None:
        """Measures once."""
        answer = self.ask(_TURNS[kind])
        self.seconds[kind].append(sum(answer["waits"]) / answer["count"] if by_clock else answer["cpu"])
        self.waits[kind] += answer["waits"]


def start_all(options: argparse.Namespace, sentences: Sequence[str], lengths: Sequence[int]) -> list[Engine]:
    """All that are installed."""
    threads = ["--threads", str(options.threads)]
    engines = []
    for name in options.engines:
        engine, precision = name.split("-")
        ours = [sys.executable, "-m", "engines.ours", "--model", str(options.model)]
        command = [*ours, "--engine", engine, "--precision", precision, *threads]
        engines.append(Engine.start(f"ours, {engine} {precision}", command, sentences))
    if options.ctranslate2 is None:
        print("CTranslate2 is left out: no --ctranslate2")
        return engines
    for name, sizes in _TRANSFORMERS.items():
        command = [str(options.ctranslate2), str(_HERE / "engines" / "transformer.py"), *sizes, *threads]
        engines.append(Engine.start(name, command, lengths))
    return engines


def print_table(engines: Sequence[Engine]) -> None:
    """Sentences a second, in brackets times the best of CTranslate2, and what one sentence waits."""
    print(f"\n| | {' | '.join(_TURNS)} | one, greedy: p50 / p95 ms |\n|{'---|' * (len(_TURNS) + 2)}")
    median = {
        engine.name: {kind: statistics.median(all_) for kind, all_ in engine.seconds.items()} for engine in engines
    }
    rivals = [median[name] for name in _TRANSFORMERS if name in median]
    for engine in engines:
        cells = []
        for kind in _TURNS:
            seconds = median[engine.name][kind]
            ratio = f" ({min(rival[kind] for rival in rivals) / seconds:.2f})" if rivals else ""
            cells.append(f"{1 / seconds:.0f}{ratio}")
        waits = sorted(engine.waits["one, greedy"])
        cells.append(f"{1e3 * statistics.median(waits):.1f} / {1e3 * waits[int(0.95 * len(waits))]:.1f}")
        print(f"| {engine.name} | {' | '.join(cells)} |")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, type=Path, help="a run")
    parser.add_argument("--ctranslate2", type=Path, metavar="PYTHON", help="of an environment with ctranslate2")
    parser.add_argument(
        "--engines",
        nargs="+",
        default=["onnx-int8", "torch-int8", "onnx-fp32", "torch-fp32"],
        metavar="ENGINE-PRECISION",
    )
    parser.add_argument("--sentences", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    translator = Translator.load(options.model, device="cpu", engine="torch")
    sentences = [pair.src for pair in prepare(translator.config).test[: options.sentences]]
    engines = start_all(options, sentences, translator.reader.lengths(sentences) or ())
    for _ in range(options.rounds):
        for kind in _TURNS:
            for engine in engines:
                engine.take_turn(kind, by_clock=options.threads > 1)
    waiting = {name: os.environ.get(name, "not set") for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    print(f"{translator.device_spec.machine.partition(',')[0]}, {options.threads} threads, outputs of {TOKENS} tokens, "
          f"{options.rounds} rounds of {len(sentences)} sentences, CPUs {sorted(os.sched_getaffinity(0))}, {waiting}, "
          f"load {os.getloadavg()[0]:.1f}")  # fmt: skip
    print_table(engines)


if __name__ == "__main__":
    try:
        main()
    except Seq2SeqError as error:
        raise SystemExit(f"compare_engines: {error}") from None
