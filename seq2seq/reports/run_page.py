"""The page of one run: everything that is shown of it."""

import sys
from pathlib import Path

from seq2seq.evaluation.evaluate import EvaluatedRun
from seq2seq.files.atomic import write_atomic
from seq2seq.files.manifest import check_manifest
from seq2seq.reports.curves import curves_section
from seq2seq.reports.description import describe, training_section
from seq2seq.reports.model_card import model_card
from seq2seq.reports.page import html_page
from seq2seq.reports.pictures import pictures_section
from seq2seq.reports.scores import scores_section
from seq2seq.reports.section import Section
from seq2seq.reports.text_sections import text_sections
from seq2seq.reports.usage import usage_section
from seq2seq.runs.history import read_log
from seq2seq.runs.layout import CARD, REPORT


def write_report(evaluated: EvaluatedRun) -> None:
    """Writes ``report.html`` and ``README.md`` into the run."""
    page = html_page(evaluated.name, describe(evaluated.config), run_sections(evaluated))
    _write(evaluated.folder / REPORT, page)
    _write(evaluated.folder / CARD, model_card(evaluated))  # last: where it is, everything is


def run_sections(evaluated: EvaluatedRun) -> list[Section]:
    """All that is shown of one run, in the order of the page."""
    config, manifest, entries = evaluated.config, check_manifest(evaluated.folder), read_log(evaluated.folder)
    parameters = sum(parameter.numel() for parameter in evaluated.predictor.model.parameters())
    sections = [
        scores_section(evaluated.scores),
        training_section(config, manifest, entries, parameters),
        curves_section(entries),
        *([pictures_section(evaluated)] if evaluated.pictures else text_sections(evaluated)),
        usage_section(config),
    ]
    return [section for section in sections if section]


def _write(path: Path, content: str) -> None:
    write_atomic(path, content.encode())
    print(f"wrote {path}", file=sys.stderr)
