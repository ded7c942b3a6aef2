"""The commands evaluate, inspect and export."""

import argparse
from pathlib import Path

from seq2seq.cli.options import (
    Commands,
    add_compute,
    add_decoding,
    add_device,
    add_model,
    decoding,
    set_up_process,
    text,
)
from seq2seq.cli.streams import require_file
from seq2seq.errors import Seq2SeqError


def add_commands(commands: Commands) -> None:
    """Declares the commands."""
    evaluate = commands.add_parser("evaluate", help="BLEU, chrF and TER with signatures and intervals")
    add_model(evaluate)
    evaluate.add_argument("--split", choices=("test", "validation"), default="test")
    evaluate.add_argument("--src", metavar="FILE", help="sentences to translate instead of a split")
    evaluate.add_argument("--ref", metavar="FILE", help="their references")
    add_decoding(evaluate)
    add_compute(evaluate)
    evaluate.set_defaults(command=_evaluate)

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
    from seq2seq.evaluation.evaluate import evaluate, summary
    from seq2seq.reports.report import write_report
    from seq2seq.runs.layout import read_config

    if bool(options.src) != bool(options.ref):
        raise Seq2SeqError("--src and --ref go together: expected both or neither")
    files = (Path(options.src), Path(options.ref)) if options.src else None
    for option, path in zip(("--src", "--ref"), files or (), strict=False):
        require_file(option, path)
    set_up_process(options)
    evaluated = evaluate(
        options.model,
        split=options.split,
        files=files,
        options=decoding(options, read_config(Path(options.model))),
        device=options.device,
        precision=options.precision,
    )
    write_report(evaluated)
    print(summary(evaluated.scores))


def _inspect(options: argparse.Namespace) -> None:
    from seq2seq.reports.inspection import inspect

    print(inspect(options.model, options.text, out=options.out, device=options.device))


def _export(options: argparse.Namespace) -> None:
    from seq2seq.export.export import export

    print(export(options.model, options.out))
