"""The page that compares several systems: runs, or files of outputs."""

import sys
from pathlib import Path

from seq2seq.evaluation.comparison import Comparison, compare_systems
from seq2seq.evaluation.systems import Systems
from seq2seq.files.atomic import check_writable, folder_made, write_atomic
from seq2seq.reports.comparison_analyses import difficulty_section, health_section, ngrams_section
from seq2seq.reports.comparison_runs import compared_curves_section, runs_section
from seq2seq.reports.comparison_scores import contest_section, scores_section
from seq2seq.reports.comparison_sentences import all_sentences_section, differences_section
from seq2seq.reports.page import html_page, markdown_page
from seq2seq.reports.section import Section


def write_comparison(systems: Systems, out: Path) -> Path:
    """Compares systems on one page, ``report.html`` and ``report.md``.

    Args:
        systems: what is compared: the others with the first.
        out: a folder, which is made if it is missing; other files in it stay.

    Returns:
        The HTML page.

    Raises:
        ConfigError: the tokeniser is not installed.
        RunError: the pages cannot be written.
    """
    page, text = out / "report.html", out / "report.md"
    with folder_made(out):
        check_writable(page)
        check_writable(text)
        sections = _sections(compare_systems(systems))
        names = [system.name for system in systems.systems]
        title = " and ".join(names) if len(names) < 3 else f"{len(names)} systems"
        lead = f"{len(systems.references):,} sentences"
        lead += f"; differences are to {names[0]}." if len(names) > 1 else "."
        write_atomic(page, html_page(title, lead, sections).encode())
        write_atomic(text, markdown_page(title, lead, sections).encode())
    print(f"wrote {page} and {text}", file=sys.stderr)
    return page


def _sections(comparison: Comparison) -> list[Section]:
    systems = comparison.systems.systems
    sections = [
        scores_section(comparison),
        contest_section(comparison),
        difficulty_section(comparison),
        ngrams_section(comparison),
        health_section(comparison),
        runs_section(systems),
        compared_curves_section(systems),
        differences_section(comparison),
        all_sentences_section(comparison),
    ]
    return [section for section in sections if section]
