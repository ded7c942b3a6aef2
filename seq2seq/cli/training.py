"""Commands that make runs: recipes, new, settings, prepare, train, status, lr-find, average, pack."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from seq2seq.cli.options import Commands, add_device, add_recipe
from seq2seq.cli.streams import require_file
from seq2seq.errors import one_line


def add_commands(commands: Commands) -> None:
    """Declares these commands."""
    recipes = commands.add_parser("recipes", help="list the shipped recipes, or print one to copy and edit")
    recipes.add_argument("name", nargs="?", metavar="NAME")
    recipes.set_defaults(command=_recipes)

    new = commands.add_parser("new", help="write a recipe for a table of pairs, with the reasons as comments")
    new.add_argument("file", type=Path, metavar="FILE", help="CSV, tab-separated values, JSON lines or Parquet")
    new.set_defaults(command=_new)

    settings = commands.add_parser("settings", help="every setting of a recipe: type, range, default and meaning")
    settings.add_argument("table", nargs="?", metavar="TABLE", help="one table, such as decoding")
    settings.set_defaults(command=_settings)

    prepare = commands.add_parser("prepare", help="fetch, clean and tokenise a recipe's corpus")
    add_recipe(prepare)
    prepare.set_defaults(command=_prepare)

    train = commands.add_parser("train", help="train a recipe, or go on where it was interrupted")
    add_recipe(train)
    train.add_argument("--run", metavar="DIR", help="folder for the result (default: runs/RECIPE)")
    train.add_argument(
        "--from",
        dest="start",
        metavar="RUN",
        help="begin with this run's vocabulary and weights, and its settings where RECIPE leaves them out",
    )
    train.add_argument("--tensorboard", action="store_true", help="write curves for TensorBoard into the run too")
    add_device(train)
    train.set_defaults(command=_train)

    status = commands.add_parser("status", help="how far a training has come, while it runs or afterwards")
    status.add_argument("run", type=Path, metavar="RUN")
    status.set_defaults(command=_status)

    lr_find = commands.add_parser("lr-find", help="suggest a learning rate, by a range test on a small model")
    add_recipe(lr_find)
    lr_find.add_argument("--out", metavar="FILE", help="plot (default: runs/RECIPE-lr-find.svg)")
    add_device(lr_find)
    lr_find.set_defaults(command=_lr_find)

    average = commands.add_parser("average", help="make a run of the mean weights of several, or of one's checkpoints")
    average.add_argument("run", metavar="RUN", help="settings and vocabulary come from here")
    average.add_argument("others", nargs="*", metavar="DIR", help="runs or checkpoints to average it with")
    average.add_argument("--out", required=True, metavar="DIR", help="folder for the result")
    average.set_defaults(command=_average)

    pack = commands.add_parser("pack", help="put a run, without its checkpoints, into one file to give away")
    pack.add_argument("run", metavar="RUN")
    pack.add_argument("--out", metavar="FILE", help="a new .tar.gz file (default: RUN.tar.gz, beside the run)")
    pack.set_defaults(command=_pack)


def _recipes(options: argparse.Namespace) -> None:
    from seq2seq.recipe import recipe_names, recipe_text

    if options.name:
        print(recipe_text(options.name), end="")
        return
    names = recipe_names()
    for name in names:
        print(f"{name:{max(map(len, names))}}  {recipe_text(name).partition(chr(10))[0].removeprefix('# ')}")


def _new(options: argparse.Namespace) -> None:
    from seq2seq.corpus.new_recipe import new

    require_file("FILE", options.file)
    print(new(options.file), end="")


def _settings(options: argparse.Namespace) -> None:
    from seq2seq.config.reference import settings_reference

    print(settings_reference(options.table))


def _prepare(options: argparse.Namespace) -> None:
    from seq2seq.corpus.prepared import corpus_summary
    from seq2seq.training.prepare import prepare

    print(corpus_summary(prepare(options.recipe, overrides=options.overrides)))


def _train(options: argparse.Namespace) -> None:
    from seq2seq.training.signals import Interrupted
    from seq2seq.training.train import train

    is_main = os.environ.get("RANK", "0") == "0"  # set by torchrun
    try:
        run = train(
            options.recipe,
            run=options.run,
            start=options.start,
            overrides=options.overrides,
            device=options.device,
            tensorboard=options.tensorboard,
        )
        if is_main:
            print(run)
    except Interrupted as stop:
        if is_main:
            print(f"seq2seq: {one_line(stop)}", file=sys.stderr)
        options.exit_code = stop.exit_code


def _status(options: argparse.Namespace) -> None:
    from seq2seq.training.status import status

    size = shutil.get_terminal_size()
    print(status(options.run, width=size.columns, height=size.lines))


def _lr_find(options: argparse.Namespace) -> None:
    from seq2seq.training.lr_find import lr_find

    print(lr_find(options.recipe, overrides=options.overrides, out=options.out, device=options.device).summary())


def _average(options: argparse.Namespace) -> None:
    from seq2seq.training.average import average

    print(average(options.run, options.others, options.out))


def _pack(options: argparse.Namespace) -> None:
    from seq2seq.runs.pack import pack

    print(pack(options.run, options.out))
