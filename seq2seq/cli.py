"""The command ``seq2seq``: each sub-command a thin shell over the public function of its name.

Nothing heavy is imported before a command is known, so that ``--help`` answers at once.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seq2seq.config import Config, DecodingConfig
from seq2seq.errors import Seq2SeqError
from seq2seq.version import __version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit status is 0, 2 for a mistake of the user's, 128 + n after signal n."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
        sys.stdout.flush()
    except Seq2SeqError as error:
        print(f"seq2seq: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader has gone, as in `seq2seq translate | head`; Python must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        print(f"seq2seq: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("seq2seq: interrupted", file=sys.stderr)
        return 130
    return options.exit_code if hasattr(options, "exit_code") else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="seq2seq", description="Recurrent sequence-to-sequence models on your pairs.")
    parser.add_argument("--version", action="version", version=f"seq2seq {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")

    recipes = commands.add_parser("recipes", help="list the shipped recipes, or print one to copy and edit")
    recipes.add_argument("name", nargs="?", metavar="NAME")
    recipes.set_defaults(command=_recipes)

    prepare = commands.add_parser("prepare", help="fetch, clean and tokenise a recipe's corpus")
    _add_recipe(prepare)
    prepare.set_defaults(command=_prepare)

    train = commands.add_parser("train", help="train a recipe, or go on where it was interrupted")
    _add_recipe(train)
    train.add_argument("--run", metavar="DIR", help="folder for the result (default: runs/RECIPE)")
    _add_device(train)
    train.set_defaults(command=_train)

    translate = commands.add_parser("translate", help="translate stdin to stdout, line by line")
    _add_model(translate)
    _add_decoding(translate)
    translate.add_argument("--nbest", type=_positive, default=0, metavar="N", help="print 'id ||| text ||| score' × N")
    translate.set_defaults(command=_translate)

    caption = commands.add_parser("caption", help="say in words what pictures show, a line for each")
    caption.add_argument("pictures", nargs="+", type=Path, metavar="IMAGE", help="JPEG, PNG or WebP files, or folders")
    _add_model(caption)
    _add_decoding(caption)
    caption.add_argument("--nbest", type=_positive, default=0, metavar="N", help="print 'id ||| text ||| score' × N")
    caption.set_defaults(command=_caption)

    evaluate = commands.add_parser("evaluate", help="BLEU, chrF and TER with signatures and intervals")
    _add_model(evaluate)
    evaluate.add_argument("--split", choices=("test", "validation"), default="test")
    evaluate.add_argument("--src", type=Path, metavar="FILE", help="sentences to translate, instead of a split")
    evaluate.add_argument("--ref", type=Path, metavar="FILE", help="their references")
    _add_decoding(evaluate)
    evaluate.set_defaults(command=_evaluate)

    lr_find = commands.add_parser("lr-find", help="suggest a learning rate, by a range test on a small model")
    _add_recipe(lr_find)
    lr_find.add_argument("--out", metavar="FILE", help="plot (default: runs/RECIPE-lr-find.svg)")
    _add_device(lr_find)
    lr_find.set_defaults(command=_lr_find)

    inspect = commands.add_parser("inspect", help="draw gates, cell states and attention over a sentence")
    _add_model(inspect)
    inspect.add_argument("--text", required=True, help="the sentence")
    inspect.add_argument("--out", metavar="FILE", help="page (default: inspect.html in the run)")
    _add_device(inspect)
    inspect.set_defaults(command=_inspect)

    export = commands.add_parser("export", help="write a run as ONNX files, for programs without torch")
    _add_model(export)
    export.add_argument("--out", required=True, metavar="DIR", help="a new or empty folder")
    export.set_defaults(command=_export)
    return parser


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="a shipped recipe's name or a TOML file")
    parser.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", dest="overrides", help="change one setting"
    )


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="DIR", help="a trained run")


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")


def _add_decoding(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--beam", type=_positive, metavar="K", help="hypotheses kept (default: the run's)")
    parser.add_argument("--length-penalty", type=float, metavar="A", help="0 favours short outputs")
    parser.add_argument("--max-length", type=_positive, metavar="N", help="most tokens of an output")
    parser.add_argument("--batch-tokens", type=_positive, metavar="N", help="tokens decoded together")
    _add_device(parser)
    parser.add_argument("--precision", choices=("fp32", "bf16", "fp16", "auto"), default="fp32")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, found {text}")
    return number


def _recipes(options: argparse.Namespace) -> None:
    from seq2seq.recipe import recipe_names, recipe_text

    if options.name:
        print(recipe_text(options.name), end="")
        return
    names = recipe_names()
    for name in names:
        print(f"{name:{max(map(len, names))}}  {recipe_text(name).partition(chr(10))[0].removeprefix('# ')}")


def _prepare(options: argparse.Namespace) -> None:
    from seq2seq.corpus.prepared import corpus_summary, prepare
    from seq2seq.recipe import load_recipe

    print(corpus_summary(prepare(load_recipe(options.recipe, options.overrides))))


def _train(options: argparse.Namespace) -> None:
    from seq2seq.training.signals import Interrupted
    from seq2seq.training.train import train

    try:
        print(train(options.recipe, run=options.run, overrides=options.overrides, device=options.device))
    except Interrupted as stop:
        print(f"seq2seq: {stop}", file=sys.stderr)
        options.exit_code = stop.exit_code


def _translate(options: argparse.Namespace) -> None:
    from seq2seq.decoding.lines import translate_stream
    from seq2seq.decoding.translator import Translator

    translator = Translator.load(options.model, device=options.device, precision=options.precision)
    decoding = _decoding(options, translator.config)
    translate_stream(translator, sys.stdin.buffer, sys.stdout.buffer, decoding, nbest=options.nbest)


def _caption(options: argparse.Namespace) -> None:
    from seq2seq.decoding.captioner import Captioner, picture_files

    paths = picture_files(options.pictures)
    captioner = Captioner.load(options.model, device=options.device, precision=options.precision)
    decoding = _decoding(options, captioner.config)
    for number, path in enumerate(paths):
        (found,) = captioner.nbest([str(path)], max(options.nbest, 1), decoding)
        for entry in found:
            print(f"{number} ||| {entry.text} ||| {entry.score:.4f}" if options.nbest else entry.text, flush=True)


def _evaluate(options: argparse.Namespace) -> None:
    from seq2seq.evaluation.evaluate import evaluate, read_evaluation, summary

    if bool(options.src) != bool(options.ref):
        raise Seq2SeqError("--src and --ref go together: expected both or neither")
    from seq2seq.model.run_folder import read_config

    evaluate(
        options.model,
        split=options.split,
        files=(options.src, options.ref) if options.src else None,
        options=_decoding(options, read_config(Path(options.model))),
        device=options.device,
        precision=options.precision,
    )
    print(summary(read_evaluation(Path(options.model))))


def _lr_find(options: argparse.Namespace) -> None:
    from seq2seq.training.lr_find import lr_find

    print(lr_find(options.recipe, overrides=options.overrides, out=options.out, device=options.device).summary())


def _inspect(options: argparse.Namespace) -> None:
    from seq2seq.evaluation.inspection import inspect

    print(inspect(options.model, options.text, out=options.out, device=options.device))


def _export(options: argparse.Namespace) -> None:
    from seq2seq.serving.export import export

    print(export(options.model, options.out))


def _decoding(options: argparse.Namespace, config: Config) -> DecodingConfig:
    """The run's own settings, save for those on the command line, checked together."""
    names = ("beam", "length_penalty", "max_length", "batch_tokens")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    decoding = replace(config, decoding=replace(config.decoding, **given)).decoding
    nbest = getattr(options, "nbest", 0)
    if nbest > decoding.beam:
        raise Seq2SeqError(f"--nbest {nbest} is more than --beam {decoding.beam}: a beam of K finds K outputs")
    return decoding
