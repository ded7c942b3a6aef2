"""The command ``export``."""

import argparse

from seq2seq.cli.options import Commands, add_model


def add_commands(commands: Commands) -> None:
    """Declares the command."""
    export = commands.add_parser("export", help="write a run as ONNX files, for programs without torch")
    add_model(export)
    export.add_argument("--out", required=True, metavar="DIR", help="a new or empty folder")
    export.set_defaults(command=_export)


def _export(options: argparse.Namespace) -> None:
    from seq2seq.export.export import export

    print(export(options.model, options.out))
