"""The pages of an evaluated run."""

import sys
from pathlib import Path

from seq2seq.evaluation.evaluate import EvaluatedRun
from seq2seq.files.atomic import write_atomic
from seq2seq.reports.model_card import model_card
from seq2seq.reports.picture_page import picture_page
from seq2seq.runs.layout import CARD, REPORT


def write_report(evaluated: EvaluatedRun) -> None:
    """Writes ``README.md`` and, if the run reads pictures, ``report.html`` into the run."""
    if evaluated.pictures:
        _write(evaluated.folder / REPORT, picture_page(evaluated))
    _write(evaluated.folder / CARD, model_card(evaluated))  # last: where it is, everything is


def _write(path: Path, content: str) -> None:
    write_atomic(path, content.encode())
    print(f"wrote {path}", file=sys.stderr)
