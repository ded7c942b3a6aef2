"""The pages of an evaluated run: its card and, if it reads pictures, a page that shows some of them."""

import sys
from pathlib import Path

from seq2seq.corpus.pairs import Pair
from seq2seq.evaluation.evaluate import EvaluatedRun
from seq2seq.files.atomic import write_atomic
from seq2seq.reports.model_card import model_card
from seq2seq.reports.picture_page import picture_page
from seq2seq.runs.layout import CARD, REPORT


def write_report(evaluated: EvaluatedRun) -> None:
    """Writes ``README.md`` and, for pictures, ``report.html`` into the run."""
    folder = evaluated.folder
    pairs = [
        Pair(source, references[0]) for source, references in zip(evaluated.sources, evaluated.references, strict=True)
    ]
    texts = [output.text for output in evaluated.outputs]
    _write(folder / CARD, model_card(folder.name, evaluated.config, evaluated.scores, pairs, texts))
    if evaluated.pictures:
        _write(folder / REPORT, picture_page(folder.resolve().name, evaluated))


def _write(path: Path, content: str) -> None:
    write_atomic(path, content.encode())
    print(f"wrote {path}", file=sys.stderr)
