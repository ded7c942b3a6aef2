"""Everything that only a GPU can show, in one run: is it right, and how fast is it? Prints Markdown for docs/log.md.

For a bare machine: beside this checkout it needs torch with CUDA and the packages in ``_NEEDED``, no network, and
nothing is installed. Each section is a process of its own with a time limit, so that one that fails or hangs costs
no other. ``--only`` runs some of them. On a machine without a GPU, ``--miniature`` runs every section on the CPU with
tiny sizes, to see that it works; its figures mean nothing.

    python scripts/gpu_check.py [--data DIR] [--minutes 5]
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What the package and its tests import, and what each is missing for.
_NEEDED = ("torch", "datasets", "sentencepiece", "sacrebleu", "safetensors", "rapidfuzz", "pytest", "hypothesis")


@dataclass(frozen=True)
class Section:
    """A part of the check."""

    name: str
    title: str
    share: float
    """Of all minutes, its time limit."""
    tests: str = ""
    """For pytest's ``-k``: the section is those of the tests marked ``gpu``. Empty: a part of ``gpu_speed.py``."""


_EQUAL, _GRAPHS, _SAME, _WAITS = "computes_what_a_cpu_does", "record or graph", "same_bits or learns_the_same", "waits"
SECTIONS = (
    Section("machine", "Versions and matrix products", 0.05),
    Section("equal", "The GPU computes what the CPU does", 0.15, tests=_EQUAL),
    Section(
        "graphs",
        "A recorded update or search equals an eager one",
        0.1,
        tests=f"({_GRAPHS}) and not ({_SAME} or {_WAITS})",
    ),
    Section("same", "One seed gives the same bits, killed and continued too", 0.15, tests=_SAME),
    Section("waits", "The host never waits", 0.05, tests=f"waits and not {_EQUAL}"),
    Section("others", "The other tests on a GPU", 0.05, tests=f"not ({_EQUAL} or {_GRAPHS} or {_SAME} or {_WAITS})"),
    Section("updates", "Updates", 0.2),
    Section("producer", "Making batches", 0.05),
    Section("search", "Search", 0.15),
    Section("recipe", "multi30k-en-de-attention, whole", 0.3),
)


def command(section: Section, options: argparse.Namespace) -> list[str]:
    """The process of a section."""
    if section.tests:
        where = ["-k", section.tests, "-m", "gpu", "-p", "no:cacheprovider", "-q", "--no-header", "-rfEs"]
        return [sys.executable, "-m", "pytest", *where, str(ROOT / "tests")]
    given = ["--device", options.device, *(["--data", str(options.data)] if options.data else [])]
    return [
        *(sys.executable, str(ROOT / "scripts" / "gpu_speed.py"), section.name, *given),
        *(["--miniature"] if options.miniature else []),
    ]


def run(section: Section, options: argparse.Namespace) -> bool:
    """Runs a section and prints what it says; whether it ended well."""
    limit = max(options.limit, 60 * options.minutes * section.share)
    print(f"\n## {section.title}\n", flush=True)
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    try:
        status = subprocess.run(command(section, options), cwd=ROOT, env=environment, timeout=limit).returncode
    except subprocess.TimeoutExpired:
        print(f"\nStopped after its limit of {limit:.0f} s.", flush=True)
        return False
    print(f"\n{time.monotonic() - started:.0f} s, status {status}", flush=True)
    return status == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder of Multi30k: train.en, train.de, val.en …")
    parser.add_argument("--minutes", type=float, default=5.0, help="time for all sections together")
    parser.add_argument("--limit", type=float, default=20.0, help="seconds that a section has at least")
    parser.add_argument("--only", nargs="+", choices=[section.name for section in SECTIONS], metavar="SECTION")
    parser.add_argument("--miniature", action="store_true", help="tiny sizes on the CPU")
    options = parser.parse_args()
    options.device = "cpu" if options.miniature else "cuda"
    options.data = options.data and options.data.resolve()
    missing = [name for name in _NEEDED if find_spec(name) is None]
    print(f"# GPU check\n\nmissing packages: {', '.join(missing) or 'none'}", flush=True)
    chosen = [section for section in SECTIONS if not options.only or section.name in options.only]
    bad = [section.name for section in chosen if not run(section, options)]
    words = f"not passed: {', '.join(bad)}" if bad else "all sections passed"
    print(f"\n## Result\n\n{words}")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
