"""Kills one small training at a random moment, again and again, and compares each run's end with an undisturbed one.

``python scripts/soak.py --kills 1000 --out /tmp/soak`` prints a line for each run that ends otherwise and keeps its
folder, its output and a copy of the folder as the kill left it; ``soak.jsonl`` has a line for every run. ``--busy``
keeps a core busy beside it, which moves the kills to moments that an idle machine never shows. ``--seed`` brings the
same moments back. The law, the training and the comparison are those of ``tests/reliability/test_kill.py``.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "reliability"))

from children import Child  # type: ignore[import-not-found]
from reference import RECIPE, ending  # type: ignore[import-not-found]
from tqdm import tqdm
from work import command_killed_at, seq2seq  # type: ignore[import-not-found]


def main() -> int:
    """Runs the kills; 1 if a run ended otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, metavar="N")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new or empty folder")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**31))
    parser.add_argument("--busy", action="store_true", help="keep one core busy with another process")
    options = parser.parse_args()
    if options.out.exists() and any(options.out.iterdir()):
        parser.error(f"{options.out}: expected a new or empty folder")
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"seed {options.seed}", file=sys.stderr)
    soak = Soak(options.out)
    with busy_neighbour() if options.busy else nullcontext():
        for number in tqdm(range(options.kills), unit=" kills", disable=None):
            soak.kill(number, random.Random(f"{options.seed} {number}"))
    print(f"{options.kills} kills, {soak.different} runs ended otherwise")
    return bool(soak.different)


class Soak:
    """The undisturbed run, and the runs that are killed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.different = 0
        self._trained("first")  # prepares the corpus, so that the reference's time and file accesses are the training's
        started = time.monotonic()
        status, words = Child(command_killed_at, 0, str(folder / "reference"), *self._command("reference")).end()
        assert status == 0, words
        self.seconds = time.monotonic() - started
        self.accesses = int(words.split()[-1])
        self.expected = ending(folder / "reference")

    def kill(self, number: int, chance: random.Random) -> None:
        """One run: killed once, twice or three times, then trained to its end."""
        name = f"{number:05d}"
        run, outputs, moments = self.folder / name, [], []
        for _ in range(chance.choice([1, 1, 2, 3])):
            moment, output = self._interrupted(name, chance)
            moments.append(moment)
            outputs.append(output)
            if run.is_dir():
                shutil.copytree(run, self.folder / f"{name}.killed{len(moments)}")
        status, output = self._trained(name)
        found = ending(run) if status == 0 else {"status": status}
        differing = sorted(key for key in {*found, *self.expected} if found.get(key) != self.expected.get(key))
        self._note(name, {"moments": moments, "status": status, "differs": differing})
        if not differing:
            for folder in self.folder.glob(f"{name}*"):
                shutil.rmtree(folder)
            return
        self.different += 1
        (self.folder / f"{name}.txt").write_text("\n--- then ---\n".join([*outputs, output]), encoding="utf-8")
        tqdm.write(f"{name}: {', '.join(differing)} differ after kills at {moments}; kept in {self.folder}")

    def _interrupted(self, name: str, chance: random.Random) -> tuple[str, str]:
        """Where the training was killed, and what it had said: between two file accesses, or whenever it was."""
        if chance.random() < 0.5:
            access = chance.randint(1, self.accesses)
            _, output = Child(command_killed_at, access, str(self.folder / name), *self._command(name)).end()
            return f"access {access}", output
        seconds = chance.uniform(0, 1.2 * self.seconds)
        child = Child(seq2seq, *self._command(name))
        time.sleep(seconds)
        child.kill()
        return f"{seconds:.3f} s", child.words()

    def _trained(self, name: str) -> tuple[int, str]:
        status, output = Child(seq2seq, *self._command(name)).end()
        return int(status), str(output)

    def _command(self, name: str) -> list[str]:
        settings = [f"data.directory={self.folder / 'data'}", *RECIPE]
        sets = [part for setting in settings for part in ("--set", setting)]
        return ["train", "reverse-digits", "--run", str(self.folder / name), "--device", "cpu", *sets]

    def _note(self, name: str, facts: dict[str, Any]) -> None:
        with (self.folder / "soak.jsonl").open("a", encoding="utf-8") as notes:
            notes.write(json.dumps({"run": name, **facts}) + "\n")


@contextmanager
def busy_neighbour() -> Iterator[None]:
    """Another process that computes without end."""
    neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        neighbour.kill()
        neighbour.wait()


if __name__ == "__main__":
    sys.exit(main())
