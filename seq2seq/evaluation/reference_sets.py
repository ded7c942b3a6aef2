"""Sources with their references: a held-out part of a run's own corpus, or files of the user's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2seq.config import Config
from seq2seq.corpus.normalise import normalise
from seq2seq.corpus.pairs import with_references
from seq2seq.corpus.prepared import prepare
from seq2seq.corpus.sources import read_aligned
from seq2seq.errors import ConfigError, CorpusError
from seq2seq.runs.layout import outputs_name


@dataclass(frozen=True, slots=True)
class ReferenceSet:
    """What outputs are compared with.

    Raises:
        CorpusError: it is empty.
    """

    name: str
    """``test``, ``validation``, or the path of the source file."""
    table: str
    """Name of the file that holds its outputs."""
    sources: Sequence[str]
    references: Sequence[Sequence[str]]
    """One or more for each source."""

    def __post_init__(self) -> None:
        if not self.sources:
            raise CorpusError(f"no sentences in {self.name}: there is nothing to evaluate")


def own_set(run: Path, manifest: Mapping[str, Any], config: Config, split: str) -> ReferenceSet:
    """A held-out part of a run's corpus, wherever the corpus lies now.

    Raises:
        CorpusError: the part is empty, or the corpus is not what the run was trained on.
    """
    prepared = prepare(config, run)
    if prepared.report["fingerprint"] != manifest["corpus"]["fingerprint"]:
        raise CorpusError(
            f"{config.data.path} has changed since {run} was trained, or is another corpus, so test sentences could be "
            "among those it was trained on: bring the old corpus back, say where it is with --set data.path=…, or name "
            "files with --src and --ref"
        )
    pairs = prepared.validation if split == "validation" else prepared.test
    return ReferenceSet(split, outputs_name(split), *with_references(pairs, grouped=config.data.several_references))


def file_set(run: Path, config: Config, src: str | Path | None, refs: Sequence[str | Path]) -> ReferenceSet:
    """Lines of files, normalised as training pairs are; line n of each reference file belongs to source n.

    Raises:
        ConfigError: sources without references, or the other way round.
        CorpusError: a file cannot be read, the files differ in length or are empty, or the run reads pictures.
    """
    if src is None or not refs:
        raise ConfigError("expected source and reference files together, found one side without the other")
    if config.data.reads_images:
        raise CorpusError(f"{run} reads pictures: --src and --ref are for text; evaluate a split")
    sides = [list(read_aligned(Path(src), Path(ref))) for ref in refs]
    sources = [normalise(pair.src, config.subword) for pair in sides[0]]
    references = [[normalise(pair.tgt, config.subword) for pair in row] for row in zip(*sides, strict=True)]
    return ReferenceSet(str(src), "outputs.tsv", sources, references)
