r"""A set's outputs as a table on disk: ``outputs.test.tsv``.

UTF-8; a header, then a line for each source with ``source``, ``output``, ``chrf``, ``log_prob`` and a column for each
reference, ``reference``, ``reference_2``, …, empty where a source has fewer. In the texts ``\t``, ``\n``, ``\r`` and
``\\`` stand for tab, line feed, carriage return and backslash.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seq2seq.config import EvaluationConfig
from seq2seq.decoding.outputs import Translation
from seq2seq.errors import RunError
from seq2seq.metrics.scores import sentence_scores

_ESCAPES = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
_MEANINGS = {escape: character for character, escape in _ESCAPES.items()}
_FIXED = ("source", "output", "chrf", "log_prob")


@dataclass(frozen=True, slots=True)
class OutputRow:
    """A source with its output."""

    source: str
    references: tuple[str, ...]
    output: str
    chrf: float
    """Sentence-level chrF2 against the nearest reference, in per cent."""
    log_prob: float
    """log p(output | source), in nats."""


def output_rows(
    sources: Sequence[str],
    references: Sequence[Sequence[str]],
    outputs: Sequence[Translation],
    evaluation: EvaluationConfig,
) -> list[OutputRow]:
    """A row for each source."""
    scores = sentence_scores("chrf", [output.text for output in outputs], references, evaluation)
    columns = zip(sources, references, outputs, scores, strict=True)
    return [
        OutputRow(source, tuple(texts), output.text, score, output.log_prob) for source, texts, output, score in columns
    ]


def to_tsv(rows: Sequence[OutputRow]) -> bytes:
    """The content of the file."""
    most = max((len(row.references) for row in rows), default=1)
    lines = [[*_FIXED, "reference", *(f"reference_{number}" for number in range(2, most + 1))]]
    for row in rows:
        references = [*row.references, *[""] * (most - len(row.references))]
        lines.append([row.source, row.output, f"{row.chrf:.2f}", f"{row.log_prob:.4f}", *references])
    return "".join("\t".join(map(_escaped, cells)) + "\n" for cells in lines).encode("utf-8", "replace")


def read_outputs(path: Path) -> list[OutputRow]:
    """The rows of a file that :func:`to_tsv` made; an empty reference beside others is taken for none.

    Raises:
        RunError: it cannot be read, or is another kind of file.
    """
    try:
        header, *lines = path.read_bytes().decode().removesuffix("\n").split("\n")
        if tuple(header.split("\t")[:5]) != (*_FIXED, "reference"):
            raise ValueError(f"the first line is {header[:60]!r}")
        return [_row(line) for line in lines]
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path}: expected a table of outputs as seq2seq evaluate writes it, found another file ({error}): "
            "evaluate again"
        ) from None


def _row(line: str) -> OutputRow:
    source, output, chrf, log_prob, first, *others = map(_unescaped, line.split("\t"))
    return OutputRow(source, (first, *filter(None, others)), output, float(chrf), float(log_prob))


def _escaped(text: str) -> str:
    return re.sub(r"[\\\t\n\r]", lambda match: _ESCAPES[match[0]], text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\[\\tnr]", lambda match: _MEANINGS[match[0]], text)
