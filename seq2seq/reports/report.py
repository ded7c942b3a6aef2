"""Reports: of one run, or of several systems, which are compared."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seq2seq.config.evaluation import Tokeniser
from seq2seq.errors import Seq2SeqError
from seq2seq.evaluation.reopen import evaluated_run
from seq2seq.evaluation.systems import systems_of_files, systems_of_runs
from seq2seq.files.atomic import check_writable, folder_made, write_atomic
from seq2seq.reports.comparison import write_comparison
from seq2seq.reports.description import describe
from seq2seq.reports.page import html_page, markdown_page
from seq2seq.reports.run_page import run_sections, write_report
from seq2seq.runs.layout import REPORT

_MARKDOWN = "report.md"


def report(
    *runs: str | Path,
    src: str | Path | None = None,
    refs: Sequence[str | Path] = (),
    hyps: Sequence[str | Path] = (),
    tokenize: Tokeniser | None = None,
    out: str | Path | None = None,
    device: str = "auto",
) -> Path:
    """Shows a run, or compares several systems, on one HTML page and in Markdown.

    Args:
        runs: trained runs. One alone is shown with all that is known of it; it is evaluated first, if it is not yet.
        src: sources, for files of outputs.
        refs: one or more files of references, if there are no runs.
        hyps: files of outputs, one for each system; beside runs they are for the runs' own test sentences.
        tokenize: of BLEU, where systems are compared; None: as the first run's settings say, ``auto`` without runs.
        out: a folder for ``report.html`` and ``report.md``, which is made if it is missing. None, for one run:
            ``report.html`` and the card go into the run.
        device: ``auto``, ``cpu``, ``cuda``.

    Returns:
        The HTML page's path.

    Raises:
        Seq2SeqError: nothing to report on, or arguments that do not go together.
        RunError: no run, a damaged one, one of several that is not evaluated, or the page cannot be written.
        CorpusError: files or test sentences do not fit together.
    """
    if runs and (src or refs):
        raise Seq2SeqError("expected runs, or --src and --ref, found both: runs have references of their own")
    if len(runs) == 1 and not hyps:
        if tokenize:
            raise Seq2SeqError("--tokenize is for comparisons: a run's page shows its scores as evaluate computed them")
        return _report_run(Path(runs[0]), None if out is None else Path(out), device)
    if out is None:
        raise Seq2SeqError("expected --out DIR for the page of several systems: it belongs to none of them")
    outputs = [Path(path) for path in hyps]
    if runs:
        systems = systems_of_runs([Path(run) for run in runs], outputs)
    elif refs and outputs:
        systems = systems_of_files(None if src is None else Path(src), [Path(path) for path in refs], outputs)
    else:
        raise Seq2SeqError("expected runs, or --ref with the references and --hyp with the outputs of each system")
    if tokenize:
        systems = replace(systems, evaluation=replace(systems.evaluation, tokenize=tokenize))
    return write_comparison(systems, Path(out))


def _report_run(run: Path, out: Path | None, device: str) -> Path:
    evaluated = evaluated_run(run, device=device)
    if out is None:
        write_report(evaluated)
        return run / REPORT
    pages = {REPORT: html_page, _MARKDOWN: markdown_page}
    with folder_made(out):
        for name in pages:
            check_writable(out / name)
        sections = run_sections(evaluated)
        for name, compose in pages.items():
            write_atomic(out / name, compose(evaluated.name, describe(evaluated.config), sections).encode())
    print(f"wrote {' and '.join(str(out / name) for name in pages)}", file=sys.stderr)
    return out / REPORT
