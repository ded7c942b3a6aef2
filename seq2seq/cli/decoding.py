"""Commands that decode with runs: translate, caption, score, rescore, encode."""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from seq2seq.cli.options import (
    Commands,
    add_combination,
    add_compute,
    add_decoding,
    add_engine,
    add_model,
    decoding,
    may_have_gpu,
    positive,
    set_up_process,
    share,
    text,
)
from seq2seq.cli.streams import input_stream, output_stream, require_file
from seq2seq.errors import CorpusError, Seq2SeqError, one_line

if TYPE_CHECKING:
    from seq2seq.decoding.translator import Translator
    from seq2seq.engines.kept import KeptGraphs


def add_commands(commands: Commands) -> None:
    """Declares them."""
    _add_translate(commands.add_parser("translate", help="translate stdin to stdout, line by line"))

    caption = commands.add_parser("caption", help="describe pictures: 'name<TAB>caption' for each, or one alone")
    caption.add_argument("pictures", nargs="+", type=Path, metavar="IMAGE", help="JPEG, PNG or WebP files, or folders")
    add_model(caption)
    _add_nbest(caption)
    add_decoding(caption)
    add_compute(caption)
    add_engine(caption)
    caption.set_defaults(command=_caption)

    score = commands.add_parser("score", help="log-probabilities of lines of 'source<TAB>target'")
    add_model(score, several=True)
    score.add_argument("--src", type=Path, metavar="FILE", help="sources, instead of stdin")
    score.add_argument("--tgt", type=Path, metavar="FILE", help="their translations")
    score.add_argument("--tokens", action="store_true", help="print each token's log-probability too")
    add_combination(score)
    add_compute(score)
    score.set_defaults(command=_score)

    rescore = commands.add_parser("rescore", help="rescore another system's n-best lists (stdin: Moses's format)")
    add_model(rescore, several=True)
    rescore.add_argument("--src", required=True, type=Path, metavar="FILE", help="sentences that the lists translate")
    weight = rescore.add_mutually_exclusive_group()
    weight.add_argument("--weight", type=share, default=0.5, metavar="W", help="weight of our score (default: 0.5)")
    weight.add_argument(
        "--tune",
        nargs="+",
        type=Path,
        metavar="REF",
        help="find the weight with the best score against these references",
    )
    add_combination(rescore)
    add_compute(rescore)
    rescore.set_defaults(command=_rescore)

    encode = commands.add_parser("encode", help="write the encoder's final state for each line of stdin as .npy")
    add_model(encode)
    encode.add_argument("--out", required=True, type=Path, metavar="FILE", help="array of (lines, width)")
    encode.add_argument("--layer", type=int, default=0, metavar="N", help="one layer, 1 at the bottom (default: all)")
    add_compute(encode)
    encode.set_defaults(command=_encode)


def _add_nbest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--nbest",
        type=positive,
        default=0,
        metavar="N",
        help="print the N best: 'number ||| text ||| LogProb= … PerToken= … ||| score'",
    )


def _add_translate(translate: argparse.ArgumentParser) -> None:
    add_model(translate, several=True)
    _add_nbest(translate)
    translate.add_argument("--alignments", action="store_true", help="end lines with '||| 0-0 1-2': links of words")
    translate.add_argument("--src", type=Path, metavar="FILE", help="instead of stdin; needed under torchrun")
    translate.add_argument("--stream", action="store_true", help="answer each line before reading the next")
    constraints = translate.add_argument_group("constraints")
    constraints.add_argument("--prefix", type=Path, metavar="FILE", help="line n: how output n begins")
    constraints.add_argument("--require", type=Path, metavar="FILE", help="line n: words of output n, between tabs")
    constraints.add_argument(
        "--block", nargs="+", type=text, default=[], metavar="WORD", help="words no output contains"
    )
    add_decoding(translate)
    add_compute(translate)
    add_engine(translate)
    translate.add_argument(
        "--devices", nargs="+", metavar="DEVICE", help="several devices, such as cuda:0 cuda:1, that share the lines"
    )
    translate.set_defaults(command=_translate)


def _translate(options: argparse.Namespace) -> None:
    from seq2seq.decoding.quick import QuickTranslator, keep_graphs
    from seq2seq.filters.constraint_files import ConstraintFiles
    from seq2seq.filters.translate import OutputFormat, is_sharded, translate_shards, translate_stream

    require_file("--prefix", options.prefix)
    require_file("--require", options.require)
    devices = options.devices or [options.device]
    if is_sharded():
        if not options.src:
            raise Seq2SeqError("several processes cannot share stdin: name the file to translate with --src")
        if options.devices:
            raise Seq2SeqError("--devices is for one process: each that torchrun starts has a device, see --device")
        from seq2seq.device import own_device

        devices = [own_device(options.device, int(os.environ["LOCAL_RANK"]))]
    kept = None if is_sharded() else _kept_graphs(options)
    quick = kept and QuickTranslator.find(kept, partial(decoding, options), options.threads)
    if not quick:
        set_up_process(options, devices[0])
    with input_stream(options.src) as source, output_stream() as target:
        loaded = [] if quick else _load(options, devices)
        translators = [quick] if quick else [*loaded]
        settings = decoding(options, translators[0].config)
        output_format = OutputFormat(options=settings, nbest=options.nbest, alignments=options.alignments)
        constraint_files = ConstraintFiles(prefixes=options.prefix, required=options.require, blocked=options.block)
        if is_sharded():
            translate_shards(loaded[0], source, target, output_format, constraint_files)
        else:
            translate_stream(translators, source, target, output_format, constraint_files, line_by_line=options.stream)
    if kept and loaded:
        keep_graphs(kept, loaded[0], settings)


def _kept_graphs(options: argparse.Namespace) -> "KeptGraphs | None":
    """Those for this command; None if it asks for more than the best outputs of one run on a CPU."""
    from seq2seq.engines.kept import KeptGraphs

    constraints = options.prefix, options.require, options.block
    more = any(constraints) or options.nbest or options.alignments or options.devices or len(options.model) > 1
    on_cpu = options.device == "cpu" or (options.device == "auto" and not may_have_gpu())
    if more or not on_cpu or options.precision not in ("fp32", "int8") or options.engine == "torch":
        return None
    return KeptGraphs.of(Path(options.model[0]), options.precision)


def _load(options: argparse.Namespace, devices: Sequence[str]) -> "list[Translator]":
    from seq2seq.decoding.translator import Translator

    return [
        Translator.load(*options.model, device=device, precision=options.precision, engine=options.engine)
        for device in devices
    ]


def _caption(options: argparse.Namespace) -> None:
    from seq2seq.decoding.captioner import Captioner, picture_files
    from seq2seq.decoding.lengths import warn_of_cut_outputs
    from seq2seq.filters.translate import nbest_line

    set_up_process(options)
    paths, cut = picture_files(options.pictures), 0
    named = len(paths) > 1 or options.pictures[0].is_dir()
    with output_stream() as target:
        captioner = Captioner.load(
            options.model, device=options.device, precision=options.precision, engine=options.engine
        )
        settings = decoding(options, captioner.config)
        for number, path in enumerate(paths):
            try:
                if options.nbest:
                    found = captioner.nbest([str(path)], options.nbest, settings)[0]
                    lines = [nbest_line(number, output) for output in found]
                else:
                    found = captioner.best([str(path)], settings)
                    lines = [f"{one_line(path)}\t{found[0].text}" if named else found[0].text]
            except CorpusError as error:  # a damaged picture, which does not stop the others
                print(f"seq2seq: {one_line(error)}", file=sys.stderr)
                options.exit_code = 2
                continue
            cut += sum(output.cut for output in found)
            target.write("".join(f"{line}\n" for line in lines).encode())
            target.flush()
    warn_of_cut_outputs(cut)


def _score(options: argparse.Namespace) -> None:
    from seq2seq.decoding.translator import Translator
    from seq2seq.filters.score import read_pairs, score_stream

    if bool(options.src) != bool(options.tgt):
        raise Seq2SeqError("--src and --tgt go together: expected both or neither")
    require_file("--src", options.src)
    require_file("--tgt", options.tgt)
    set_up_process(options)
    with (
        nullcontext() if options.src else input_stream(line="'source<TAB>target'") as source,
        output_stream() as target,
    ):
        translator = Translator.load(*options.model, device=options.device, precision=options.precision, engine="torch")
        pairs = read_pairs(source or (), options.src, options.tgt)
        settings = decoding(options, translator.config)
        total = score_stream(translator, pairs, target, settings, with_tokens=options.tokens)
    print(total.summary(), file=sys.stderr)


def _rescore(options: argparse.Namespace) -> None:
    from seq2seq.decoding.translator import Translator
    from seq2seq.filters.rescore import read_lists, rescored, tune_weight, write_lists
    from seq2seq.filters.streams import file_texts, to_texts
    from seq2seq.metrics.names import shown_score

    require_file("--src", options.src)
    for path in options.tune or ():
        require_file("--tune", path)
    set_up_process(options)
    with input_stream(line="'number ||| text ||| features ||| score'") as source, output_stream() as target:
        translator = Translator.load(*options.model, device=options.device, precision=options.precision, engine="torch")
        settings = decoding(options, translator.config)
        lists = rescored(translator, file_texts(options.src), read_lists(to_texts(source), "stdin"), settings)
        if not options.tune:
            write_lists(lists, options.weight, target)
            return
        candidates = list(lists)
        references = [list(file_texts(path)) for path in options.tune]
        tuned = tune_weight(candidates, references, translator.config)
        score = shown_score(tuned.criterion.key, tuned.score)
        print(f"best with --weight {tuned.weight:g}: {score} on {', '.join(map(str, options.tune))}", file=sys.stderr)
        write_lists(candidates, tuned.weight, target)


def _encode(options: argparse.Namespace) -> None:
    from seq2seq.decoding.translator import Translator
    from seq2seq.filters.encode import encode_stream

    set_up_process(options)
    with input_stream() as source:
        translator = Translator.load(options.model, device=options.device, precision=options.precision, engine="torch")
        count = encode_stream(translator, source, options.out, layer=options.layer)
    print(f"wrote {count:,} vector{'' if count == 1 else 's'} to {options.out}", file=sys.stderr)
