"""Options that several commands share, and their conversion to settings."""

import argparse
import os
import sys
from dataclasses import fields
from typing import Any

from seq2seq.config import Config, DecodingConfig
from seq2seq.config.decoding import check_nbest
from seq2seq.errors import Seq2SeqError
from seq2seq.recipe import with_decoding

Commands = Any
"""What ``add_subparsers`` returns, whose type is private to argparse."""


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, found {text}")
    return number


def tokens(text: str) -> int | str:
    """A whole number from 1 on, or ``auto``."""
    return text if text == "auto" else positive(text)


def share(text: str) -> float:
    """A number from 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, found {text}")
    return number


def require_text(options: argparse.Namespace) -> None:
    """Checks that what is given as ``str`` is text, before any work: it ends up in settings, manifests and pages.

    Names of files that are only read have the type ``Path`` and may hold any bytes.

    Raises:
        Seq2SeqError: an argument is not, because its bytes or the locale are not UTF-8.
    """
    for value in vars(options).values():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and one.encode(errors="replace").decode() != one:
                raise Seq2SeqError(
                    f"expected arguments in {sys.getfilesystemencoding()}, found {one!r}: "
                    "give the file or folder another name, or, if the name is UTF-8, set LC_ALL=C.UTF-8"
                )


def text(argument: str) -> str:
    """Text, read as UTF-8 under every locale."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def add_recipe(parser: argparse.ArgumentParser) -> None:
    """Declares RECIPE and ``--set``."""
    parser.add_argument("recipe", metavar="RECIPE", help="a shipped recipe's name or a TOML file")
    add_overrides(parser)


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Declares ``--set``."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", dest="overrides", help="change one setting"
    )


def add_model(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    """Declares ``--model``."""
    text = "a trained run; several decode as an ensemble" if several else "a trained run"
    parser.add_argument("--model", required=True, nargs="+" if several else None, metavar="DIR", help=text)


def add_device(parser: argparse._ActionsContainer) -> None:
    """Declares ``--device``."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda (default: auto)")


def add_compute(parser: argparse.ArgumentParser) -> None:
    """Declares ``--device``, ``--precision`` and ``--threads``."""
    group = parser.add_argument_group("machine")
    add_device(group)
    group.add_argument(
        "--precision",
        choices=("fp32", "bf16", "fp16", "int8", "auto"),
        default="fp32",
        help="of matrix products; int8 is fastest on a CPU (default: fp32)",
    )
    group.add_argument("--threads", type=positive, metavar="N", help="CPU threads (default: all cores)")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Declares ``--engine``, for commands that search; the others compute whole outputs at once, in torch."""
    parser.add_argument(
        "--engine",
        choices=("auto", "torch", "onnx"),
        default="auto",
        help="what runs the model; auto: onnxruntime on a CPU in fp32 and int8, else torch (default: auto)",
    )


def may_have_gpu() -> bool:
    """Whether torch has to be asked for a GPU: there is a driver's device file, or the system has none to look for."""
    drivers = "/dev/nvidiactl", "/dev/dxg", "/dev/kfd"  # NVIDIA's, Windows's under Linux, AMD's
    return sys.platform not in ("linux", "darwin") or any(map(os.path.exists, drivers))


def set_up_process(options: argparse.Namespace, device: str | None = None) -> None:
    """Sets the number of threads, and torch's settings for the device.

    Args:
        options: of the command line.
        device: used instead of ``--device``.

    Raises:
        ConfigError: no such device or precision.
    """
    import torch

    from seq2seq.device import DeviceSpec, tune_process

    if options.threads:
        torch.set_num_threads(options.threads)
    tune_process(DeviceSpec.pick(device or options.device, options.precision))


def add_combination(parser: argparse._ActionsContainer) -> None:
    """Declares ``--combination``, which applies to scoring as well as to decoding."""
    parser.add_argument("--combination", choices=("average", "log-linear"), help="of an ensemble's probabilities")


def add_decoding(parser: argparse.ArgumentParser) -> None:
    """Declares an option for each setting in ``[decoding]``; the run's settings are the defaults."""
    group = parser.add_argument_group("search", "defaults are the run's own; docs/decoding.md has examples")
    group.add_argument("--beam", type=positive, metavar="K", help="hypotheses kept; 1 is greedy search")
    group.add_argument("--batch-tokens", type=tokens, metavar="N", help="tokens decoded together, or auto")
    group.add_argument("--diverse-groups", type=positive, metavar="G", help="groups of the beam that avoid one another")
    group.add_argument("--diversity", type=float, metavar="X", help="what repeating an earlier group's token costs")
    group.add_argument("--no-repeat-ngram", type=int, metavar="N", help="no N-gram of tokens occurs twice")
    add_combination(group)
    group.add_argument(
        "--replace-unknown",
        action=argparse.BooleanOptionalAction,
        help="copy the most attended word instead of <unk>",
    )
    group = parser.add_argument_group("length")
    group.add_argument("--normalisation", choices=("gnmt", "average", "none"), help="of scores by length")
    group.add_argument("--length-penalty", type=float, metavar="A", help="of gnmt: 0 favours short outputs")
    group.add_argument("--coverage-penalty", type=float, metavar="B", help="for source tokens without attention")
    group.add_argument("--min-length", type=int, metavar="N", help="fewest tokens of an output")
    group.add_argument("--max-length", type=positive, metavar="N", help="most tokens of an output")
    group.add_argument("--min-ratio", type=float, metavar="X", help="fewest tokens for each source token")
    group.add_argument("--max-ratio", type=float, metavar="X", help="most tokens for each source token")
    group = parser.add_argument_group("sampling")
    group.add_argument("--sample", action=argparse.BooleanOptionalAction, help="draw outputs instead of searching")
    group.add_argument("--temperature", type=float, metavar="T", help="below 1 sharpens the distribution")
    group.add_argument("--top-k", type=int, metavar="K", help="draw from the K most probable tokens")
    group.add_argument("--top-p", type=float, metavar="P", help="draw from the fewest tokens of probability P")
    group.add_argument("--seed", type=int, metavar="N", help="of sampling")
    group.add_argument("--mbr", type=int, metavar="N", help="output, of N candidates, the closest to the others")


def decoding(options: argparse.Namespace, config: Config) -> DecodingConfig:
    """The run's decoding settings with those of the command line in their place, checked together."""
    names = [entry.name for entry in fields(DecodingConfig)]
    given = {name: getattr(options, name) for name in names if getattr(options, name, None) is not None}
    settings = with_decoding(config, given)
    check_nbest(settings, getattr(options, "nbest", 0))
    return settings
