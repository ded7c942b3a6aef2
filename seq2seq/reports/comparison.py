"""The page that compares several systems: runs, or files of outputs."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seq2seq.config.evaluation import Tokeniser
from seq2seq.errors import ConfigError
from seq2seq.evaluation.comparison import Comparison, compare_systems
from seq2seq.evaluation.systems import Systems, systems_of_files, systems_of_runs
from seq2seq.files.atomic import new_folder
from seq2seq.reports.comparison_analyses import difficulty_section, health_section, ngrams_section
from seq2seq.reports.comparison_runs import compared_curves_section, runs_section
from seq2seq.reports.comparison_scores import contest_section, scores_section
from seq2seq.reports.comparison_sentences import all_sentences_section, differences_section
from seq2seq.reports.page import html_page, markdown_page
from seq2seq.reports.section import Section
from seq2seq.runs.layout import REPORT

_MARKDOWN = "report.md"
# About what the pages take on the disk.
_BYTES = 3_000_000


def compare(
    *runs: str | Path,
    src: str | Path | None = None,
    refs: Sequence[str | Path] = (),
    hyps: Sequence[str | Path] = (),
    tokenize: Tokeniser | None = None,
    out: str | Path,
) -> Path:
    """Compares systems on one page, in HTML and in Markdown: the others with the first.

    Args:
        runs: evaluated runs, compared by their outputs for their test sentences; those that differ in the seed alone
            are one system.
        src: without runs, the file of sources, if there is one.
        refs: without runs, one or more files of references.
        hyps: outputs of other programs, a file for each: for the sources of ``refs``, or for the runs' test sentences.
        tokenize: ``evaluation.tokenize``; None: as the first run's settings say, ``auto`` without runs.
        out: a new or empty folder for ``report.html`` and ``report.md``.

    Returns:
        The path of the HTML page.

    Raises:
        ConfigError: there is nothing to compare, or the tokeniser is not installed.
        RunError: a run is not evaluated, or the pages cannot be written.
        CorpusError: a file cannot be read, or sentences differ in number, or runs in their test sentences.
    """
    sources = None if src is None else Path(src)
    systems = _read(list(map(Path, runs)), sources, list(map(Path, refs)), list(map(Path, hyps)))
    if tokenize:
        systems = replace(systems, evaluation=replace(systems.evaluation, tokenize=tokenize))
    with new_folder(Path(out), size=_BYTES) as folder:
        sections = _sections(compare_systems(systems))
        names = [system.name for system in systems.systems]
        title = " and ".join(names) if len(names) < 3 else f"{len(names)} systems"
        lead = f"{len(systems.references):,} sentences"
        lead += f", differences to {names[0]}." if len(names) > 1 else "."
        (folder / REPORT).write_text(html_page(title, lead, sections), encoding="utf-8")
        (folder / _MARKDOWN).write_text(markdown_page(title, lead, sections), encoding="utf-8")
    print(f"wrote {Path(out) / REPORT}", file=sys.stderr)
    return Path(out) / REPORT


def _read(runs: Sequence[Path], src: Path | None, refs: Sequence[Path], hyps: Sequence[Path]) -> Systems:
    if runs and (src or refs):
        raise ConfigError(
            "expected runs, which are compared on their own test sentences, or --src and --ref, found both: "
            "leave out one; --hyp goes with either"
        )
    if runs:
        return systems_of_runs(runs, hyps)
    if not (refs and hyps):
        raise ConfigError(f"expected runs, or files with --ref and --hyp, found no {'--hyp' if refs else '--ref'}")
    return systems_of_files(src, refs, hyps)


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
