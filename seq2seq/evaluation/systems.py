"""Systems to compare: the outputs of runs, or of any programs, for the same sources and references."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from seq2seq.config import Config, EvaluationConfig
from seq2seq.corpus.normalise import normalise
from seq2seq.corpus.text_files import read_lines
from seq2seq.errors import CorpusError, RunError
from seq2seq.evaluation.outputs import OutputRow, read_outputs
from seq2seq.evaluation.record import is_evaluated, read_evaluation
from seq2seq.files.hashing import file_sha256
from seq2seq.runs.layout import outputs_name, read_config


@dataclass(frozen=True, slots=True)
class System:
    """One system."""

    name: str
    outputs: Sequence[Sequence[str]]
    """Of each of its runs, one for each source. Runs of one system differ in their seed alone."""
    runs: Sequence[Path] = ()
    """The folders of the runs; none for a file of outputs."""


@dataclass(frozen=True, slots=True)
class Systems:
    """What is compared: the other systems with the first."""

    sources: Sequence[str] | None
    """Texts, or names of pictures; None if only outputs and references are known."""
    references: Sequence[Sequence[str]]
    """One or more for each sentence."""
    systems: Sequence[System]
    evaluation: EvaluationConfig
    """How outputs are scored, all in the same way."""
    pictures: bool = False
    """Sources are pictures."""


def systems_of_runs(runs: Sequence[Path], hypotheses: Sequence[Path] = ()) -> Systems:
    """Runs by the outputs of their last evaluation, scored as the first run's settings say.

    Runs that differ in the seed alone are one system.

    Args:
        runs: evaluated runs.
        hypotheses: outputs of other programs for the same sources, a file each.

    Raises:
        RunError: a run is not evaluated, or was changed since.
        CorpusError: two runs have different test sentences, or a file another number of lines.
    """
    tables = [_outputs(run) for run in runs]
    sources, references = _sides(tables[0])
    for run, table in zip(runs, tables, strict=True):
        if _sides(table) != (sources, references):
            raise CorpusError(
                f"{runs[0]} and {run} have different test sentences: expected runs evaluated on the same ones; "
                "translate the same file with both, and compare the outputs with --ref and --hyp"
            )
    configs = [read_config(run) for run in runs]
    groups: dict[Config, list[int]] = {}
    for number, config in enumerate(configs):
        groups.setdefault(_seedless(config), []).append(number)
    names = short_names([*runs, *hypotheses])
    systems = [
        System(
            names[numbers[0]] + (f" ({len(numbers)} seeds)" if len(numbers) > 1 else ""),
            [[row.output for row in tables[number]] for number in numbers],
            [runs[number] for number in numbers],
        )
        for numbers in groups.values()
    ]
    systems += _systems_of_files(names[len(runs) :], hypotheses, len(sources), str(runs[0]))
    pictures = any(config.data.reads_images for config in configs)
    return Systems(sources, references, systems, configs[0].evaluation, pictures)


def systems_of_files(src: Path | None, refs: Sequence[Path], hypotheses: Sequence[Path]) -> Systems:
    """Any systems: line n of each file belongs to sentence n.

    Texts are normalised as training pairs are, and scored as the default settings say.

    Args:
        src: the sources, if they are known.
        refs: one or more files of references; an empty line of a second or later file stands for none.
        hypotheses: outputs, a file for each system.

    Raises:
        CorpusError: a file cannot be read, is empty, or has another number of lines than the first references.
    """
    first = _read(refs[0])
    if not first:
        raise CorpusError(f"{refs[0]} is empty: expected a line for each sentence")
    others = [_read_as_many(path, len(first), str(refs[0])) for path in refs[1:]]
    references = [(text, *filter(None, more)) for text, *more in zip(first, *others, strict=True)]
    sources = None if src is None else _read_as_many(src, len(first), str(refs[0]))
    systems = _systems_of_files(short_names(hypotheses), hypotheses, len(first), str(refs[0]))
    return Systems(sources, references, systems, EvaluationConfig())


def _systems_of_files(names: Sequence[str], paths: Sequence[Path], lines: int, example: str) -> list[System]:
    outputs = (_read_as_many(path, lines, example) for path in paths)
    return [System(name, [texts]) for name, texts in zip(names, outputs, strict=True)]


def _outputs(run: Path) -> list[OutputRow]:
    if is_evaluated(run):
        scores = read_evaluation(run)
        table = run / outputs_name(scores["split"])
        if table.is_file() and file_sha256(table) == scores["outputs"]:
            return read_outputs(table)
    raise RunError(f"{run} has no scores and outputs of its present model: run seq2seq evaluate --model {run} first")


def _sides(rows: Sequence[OutputRow]) -> tuple[list[str], list[tuple[str, ...]]]:
    return [row.source for row in rows], [row.references for row in rows]


def _seedless(config: Config) -> Config:
    return replace(config, training=replace(config.training, seed=0))


def short_names(paths: Sequence[Path]) -> list[str]:
    """Names of files or folders as text; with their folder's where two would have the same."""
    short = [_as_text(path.resolve().name) for path in paths]
    if len(set(short)) == len(short):
        return short
    return [_as_text(str(path)) for path in paths]


def _as_text(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _read(path: Path) -> list[str]:
    return [normalise(line) for line in read_lines(path)]


def _read_as_many(path: Path, lines: int, example: str) -> list[str]:
    texts = _read(path)
    if len(texts) != lines:
        raise CorpusError(
            f"{path} does not fit {example}: expected {lines:,} lines, one for each sentence, found {len(texts):,}"
        )
    return texts
