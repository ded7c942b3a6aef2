"""The commands evaluate, report, inspect and export."""

import argparse
from pathlib import Path
from typing import Any, get_args

from seq2seq.cli.options import (
    Commands,
    add_compute,
    add_decoding,
    add_device,
    add_model,
    add_overrides,
    decoding,
    set_up_process,
    text,
)
from seq2seq.cli.streams import require_file
from seq2seq.config.evaluation import Tokeniser
from seq2seq.errors import Seq2SeqError


def add_commands(commands: Commands) -> None:
    """Declares the commands."""
    evaluate = commands.add_parser("evaluate", help="BLEU, chrF, error rates with signatures and intervals")
    add_model(evaluate, several=True)
    evaluate.add_argument("--split", choices=("test", "validation"), default="test")
    evaluate.add_argument("--src", metavar="FILE", help="sentences to translate instead of a split")
    evaluate.add_argument("--ref", nargs="+", default=[], metavar="FILE", help="their references, one file or several")
    evaluate.add_argument("--tokenize", choices=get_args(Tokeniser), help="of BLEU: evaluation.tokenize")
    evaluate.add_argument(
        "--out", metavar="DIR", help="a new or empty folder for scores and outputs (default: the run, for a split)"
    )
    add_overrides(evaluate)
    add_decoding(evaluate)
    add_compute(evaluate)
    evaluate.set_defaults(command=_evaluate)

    report = commands.add_parser("report", help="one page on a run, or on several systems compared")
    report.add_argument("runs", nargs="*", metavar="RUN", help="trained runs")
    report.add_argument("--src", metavar="FILE", help="sources of files of outputs")
    several: dict[str, Any] = {"nargs": "+", "action": "extend", "default": [], "metavar": "FILE"}
    report.add_argument("--ref", **several, help="their references, one file or several")
    report.add_argument(
        "--hyp", **several, help="outputs, a file for each system; beside runs, for their test sentences"
    )
    report.add_argument("--tokenize", choices=get_args(Tokeniser), help="of BLEU, where systems are compared")
    report.add_argument("--out", metavar="DIR", help="for report.html and report.md (default: the run, if it is one)")
    add_device(report)
    report.set_defaults(command=_report)

    inspect = commands.add_parser("inspect", help="draw gates, cell states and attention for a sentence")
    add_model(inspect)
    inspect.add_argument("--text", required=True, type=text, help="the sentence")
    inspect.add_argument("--out", metavar="FILE", help="the HTML page (default: inspect.html in the run)")
    add_device(inspect)
    inspect.set_defaults(command=_inspect)

    export = commands.add_parser("export", help="write a run as ONNX files, for programs without torch")
    add_model(export)
    export.add_argument("--out", required=True, metavar="DIR", help="a new or empty folder")
    export.set_defaults(command=_export)


def _evaluate(options: argparse.Namespace) -> None:
    from seq2seq.evaluation.evaluate import evaluate
    from seq2seq.evaluation.record import summary
    from seq2seq.reports.run_page import write_report
    from seq2seq.runs.layout import read_config

    if bool(options.src) != bool(options.ref):
        raise Seq2SeqError("--src and --ref go together: expected both or neither")
    for option, path in (("--src", options.src), *(("--ref", path) for path in options.ref)):
        require_file(option, path and Path(path))
    overrides = options.overrides + ([f"evaluation.tokenize={options.tokenize}"] if options.tokenize else [])
    set_up_process(options)
    evaluated = evaluate(
        *options.model,
        split=options.split,
        src=options.src,
        refs=options.ref,
        out=options.out,
        overrides=overrides,
        options=decoding(options, read_config(Path(options.model[0]), overrides)),
        device=options.device,
        precision=options.precision,
    )
    if evaluated.written == evaluated.folder:
        write_report(evaluated)
    print(summary(evaluated.scores))


def _report(options: argparse.Namespace) -> None:
    from seq2seq.reports.report import report

    files = {"--src": [options.src] if options.src else [], "--ref": options.ref, "--hyp": options.hyp}
    for option, paths in files.items():
        for path in paths:
            require_file(option, Path(path))
    print(
        report(
            *options.runs,
            src=options.src,
            refs=options.ref,
            hyps=options.hyp,
            tokenize=options.tokenize,
            out=options.out,
            device=options.device,
        )
    )


def _inspect(options: argparse.Namespace) -> None:
    from seq2seq.reports.inspection import inspect

    print(inspect(options.model, options.text, out=options.out, device=options.device))


def _export(options: argparse.Namespace) -> None:
    from seq2seq.onnx.export import export

    print(export(options.model, options.out))
