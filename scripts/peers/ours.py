"""Our own toolkit as a row of the tables."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from peers.toolkit import BATCH, BEAM, Command, Corpus, Lengths, Sample, Sources, read_pieces

_SCRIPTS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Ours:
    """seq2seq in one precision.

    Attributes:
        corpus: what all share.
        precision: of training and decoding.
        name: row in the tables.
    """

    corpus: Corpus
    precision: str
    name: str
    difference: ClassVar[str] = (
        "attention from the bottom decoder layer and no input feeding; a batch closes early where the source length "
        "changes, so an epoch has a few more updates; decoding reads and writes text, and fills batches by tokens to "
        f"{BATCH} sentences on average; length penalty of Wu et al. 2016"
    )

    def train(self, sample: Sample, run: Path) -> Command:
        """One epoch."""
        where = ["--recipe", str(self.corpus.recipe), "--run", str(run)]
        return self._worker("train", *where, "--pairs", str(sample.pairs))

    def decode(self, run: Path, sources: Sources, lengths: Lengths, output: Path) -> Command:
        """Reads text, not pieces."""
        tokens = sum(len(line) + 1 for line in read_pieces(self.corpus.many.pieces)) / self.corpus.many.count
        files = ["--run", str(run), "--sources", str(sources.text), "--output", str(output)]
        limits = ["--least", str(lengths.least), "--most", str(lengths.most)]
        return self._worker("decode", *files, *limits, "--batch-tokens", str(round(BATCH * BEAM * tokens)))

    def outputs(self, output: Path) -> list[list[str]]:
        """The pieces of each translation."""
        return read_pieces(output)

    def why_not(self, lengths: Lengths) -> str:
        """It can."""
        return ""

    def _worker(self, work: str, *arguments: str) -> Command:
        return Command(
            [sys.executable, "-m", "peers.worker", work, "--precision", self.precision, *arguments],
            environment={"PYTHONPATH": f"{_SCRIPTS.parent}:{_SCRIPTS}"},
        )
