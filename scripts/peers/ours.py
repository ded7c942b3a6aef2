"""Our own toolkit as a row of the tables."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from peers.toolkit import Command, Corpus, Sample

_SCRIPTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Ours:
    """seq2seq in one precision.

    Attributes:
        corpus: what all share.
        precision: of training.
        name: row in the tables.
    """

    corpus: Corpus
    precision: str
    name: str
    difference: ClassVar[str] = (
        "attention from the bottom decoder layer and no input feeding; a batch closes early where the source length "
        "changes, so an epoch has a few more updates"
    )

    def train(self, sample: Sample, run: Path) -> Command:
        """One epoch."""
        options = ["--recipe", str(self.corpus.recipe), "--run", str(run), "--pairs", str(sample.pairs)]
        return Command(
            [sys.executable, "-m", "peers.worker", "--precision", self.precision, *options],
            environment={"PYTHONPATH": f"{_SCRIPTS.parent}:{_SCRIPTS}"},
        )
