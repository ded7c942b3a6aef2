"""Speed of decoding on a CPU: our engines and other toolkits, by turns, in one run of this script.

Every output has 12 tokens, so weights do not matter and any run of the right sizes will do. Each engine is a process
that translates the same number of sentences in its turn, first 64 at once with a beam of 5, then greedily, then one at
a time; the others wait meanwhile. ``--rounds`` turns each; the median counts. With one thread the seconds are those of
the processor, which other programs on the machine disturb less than a clock; with more they are the clock's.

CTranslate2 and bergamot run Transformers of random weights in 8 bits; OpenNMT-py, JoeyNMT and fairseq run our sizes.
Each is taken where ``scripts/make_environments.sh`` has made an environment for it; what is not alike is printed.

    scripts/make_environments.sh /tmp/peers
    .venv/bin/python scripts/compare_engines.py --model runs/tatoeba-en-es --environments /tmp/peers

How fast toolkits train: scripts/compare_training.py.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from engines.job import make_job
from engines.process import TURNS, Engine, StoppedError
from engines.rivals import RIVALS
from engines.turns import TOKENS, Job

from seq2seq.device import DeviceSpec
from seq2seq.errors import Seq2SeqError

_ROOT = Path(__file__).resolve().parents[1]


def start_all(options: argparse.Namespace, job: Job) -> list[Engine]:
    """Ours and all that are installed; who is left out or fails is named."""
    engines = []
    for name in options.engines:
        engine, _, precision = name.partition("-")
        ours = [sys.executable, "-m", "engines.ours", "--model", str(options.model)]
        command = [*ours, "--engine", engine, "--precision", precision]
        engines.append(Engine.start(f"ours, {engine} {precision}", command, job, [_ROOT]))
    for rival in RIVALS:
        python = rival.python(options.environments)
        if python is None:
            print(f"{rival.name} is left out: no environment {rival.environment}")
            continue
        command = [str(python), "-m", rival.module, *rival.arguments]
        try:
            engines.append(Engine.start(rival.name, command, job, [_ROOT / "scripts" / "peers" / "shim"]))
        except StoppedError as error:
            print(f"left out: {error}")
        else:
            print(f"{rival.name}: {rival.unlike}")
    return engines


def print_table(engines: Sequence[Engine]) -> None:
    """Sentences a second, in brackets times the best of CTranslate2 and bergamot, and what one sentence waits."""
    print(f"\n| | {' | '.join(TURNS)} | one, beam 5: p50 / p95 ms | one, greedy: p50 / p95 ms |")
    print("|---" * (len(TURNS) + 3) + "|")
    names = {rival.name for rival in RIVALS if rival.alternative}
    best = [engine for engine in engines if engine.name in names]
    for engine in engines:
        cells = []
        for kind in TURNS:
            seconds = engine.median(kind)
            ratio = f" ({min(rival.median(kind) for rival in best) / seconds:.2f})" if best else ""
            cells.append(f"{1 / seconds:,.0f}{ratio}")
        for kind in ("one, beam 5", "one, greedy"):
            cells.append(" / ".join(f"{1e3 * engine.quantile(kind, share):.1f}" for share in (0.5, 0.95)))
        print(f"| {engine.name} | {' | '.join(cells)} |")


def print_ratios(engines: Sequence[Engine]) -> None:
    """How many times as fast the first engine is as each of the others."""
    first, *others = engines
    print(f"\n| {first.name}, is × as fast as | {' | '.join(TURNS)} |")
    print("|---" * (len(TURNS) + 1) + "|")
    for other in others:
        ratios = [f"{other.median(kind) / first.median(kind):.2f}" for kind in TURNS]
        print(f"| {other.name} | {' | '.join(ratios)} |")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, type=Path, help="a run")
    parser.add_argument("--environments", type=Path, metavar="DIR", help="made by scripts/make_environments.sh")
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
    job = make_job(options.model, options.sentences, options.threads)
    waiting = {name: os.environ.get(name, "not set") for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    machine = DeviceSpec.pick("cpu").machine
    print(f"{machine}, {job.threads} used, CPUs {sorted(os.sched_getaffinity(0))}, {waiting} (ours sets what the "
          f"command sets); {options.rounds} rounds of {len(job.sentences)} sentences, outputs of {TOKENS} tokens\n",
          flush=True)  # fmt: skip
    engines = start_all(options, job)
    for _ in range(options.rounds):
        for kind in TURNS:
            for engine in engines:
                engine.take_turn(kind, by_clock=options.threads > 1)
    print(f"\nload {os.getloadavg()[0]:.1f}; sentences/s, in brackets times the best of CTranslate2 and bergamot")
    print_table(engines)
    if len(engines) > 1:
        print_ratios(engines)


if __name__ == "__main__":
    try:
        main()
    except (Seq2SeqError, StoppedError) as error:
        raise SystemExit(f"compare_engines: {error}") from None
