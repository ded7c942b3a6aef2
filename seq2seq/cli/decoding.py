"""Commands that use runs: translate, caption, score, rescore, encode."""

import argparse
import sys
from pathlib import Path

from seq2seq.cli.options import (
    Commands,
    add_combination,
    add_compute,
    add_decoding,
    add_model,
    decoding,
    positive,
    set_threads,
)
from seq2seq.errors import Seq2SeqError


def add_commands(commands: Commands) -> None:
    """Declares them."""
    _add_translate(commands.add_parser("translate", help="translate stdin to stdout, line by line"))

    caption = commands.add_parser("caption", help="say in words what pictures show, a line for each")
    caption.add_argument("pictures", nargs="+", type=Path, metavar="IMAGE", help="JPEG, PNG or WebP files, or folders")
    add_model(caption)
    _add_nbest(caption)
    add_decoding(caption)
    add_compute(caption)
    caption.set_defaults(command=_caption)

    score = commands.add_parser("score", help="log-probability of given translations, 'source<TAB>target' a line")
    add_model(score, several=True)
    score.add_argument("--src", type=Path, metavar="FILE", help="sources, instead of stdin")
    score.add_argument("--tgt", type=Path, metavar="FILE", help="their translations")
    score.add_argument("--tokens", action="store_true", help="print each token's log-probability too")
    add_combination(score)
    add_compute(score)
    score.set_defaults(command=_score)

    rescore = commands.add_parser("rescore", help="rank another system's n-best lists anew (stdin, Moses's format)")
    add_model(rescore, several=True)
    rescore.add_argument("--src", required=True, type=Path, metavar="FILE", help="what the lists are translations of")
    weight = rescore.add_mutually_exclusive_group()
    weight.add_argument("--weight", type=float, default=0.5, metavar="W", help="share of our score (default: 0.5)")
    weight.add_argument("--tune", type=Path, metavar="REF", help="find the weight with the best BLEU against REF")
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
        help="print 'number ||| text ||| LogProb= … PerToken= … ||| score' × N",
    )


def _add_translate(translate: argparse.ArgumentParser) -> None:
    add_model(translate, several=True)
    _add_nbest(translate)
    translate.add_argument("--src", type=Path, metavar="FILE", help="instead of stdin; needed under torchrun")
    translate.add_argument("--stream", action="store_true", help="answer each line before reading the next")
    demands = translate.add_argument_group("demands")
    demands.add_argument("--prefix", type=Path, metavar="FILE", help="line n is how output n begins")
    demands.add_argument("--require", type=Path, metavar="FILE", help="line n: what output n holds, tabs between")
    demands.add_argument("--block", nargs="+", default=[], metavar="WORD", help="words or phrases no output holds")
    add_decoding(translate)
    add_compute(translate)
    translate.add_argument(
        "--devices", nargs="+", metavar="DEVICE", help="several, such as cuda:0 cuda:1, take turns with blocks of lines"
    )
    translate.set_defaults(command=_translate)


def _translate(options: argparse.Namespace) -> None:
    from seq2seq.decoding.lines import Format, Wishes, is_sharded, translate_shards, translate_stream
    from seq2seq.decoding.translator import Translator

    set_threads(options)
    if is_sharded() and not options.src:
        raise Seq2SeqError("several processes cannot share stdin: name the file to translate with --src")
    translators = [
        Translator.load(*options.model, device=device, precision=options.precision)
        for device in options.devices or [options.device]
    ]
    form = Format(options=decoding(options, translators[0].config), nbest=options.nbest)
    wishes = Wishes(prefixes=options.prefix, required=options.require, blocked=options.block)
    if is_sharded():
        translate_shards(translators[0], options.src, sys.stdout.buffer, form, wishes)
        return
    source = options.src.open("rb") if options.src else sys.stdin.buffer
    translate_stream(translators, source, sys.stdout.buffer, form, wishes, line_by_line=options.stream)


def _caption(options: argparse.Namespace) -> None:
    from seq2seq.decoding.captioner import Captioner, picture_files
    from seq2seq.decoding.lines import nbest_line

    set_threads(options)
    paths = picture_files(options.pictures)
    captioner = Captioner.load(options.model, device=options.device, precision=options.precision)
    settings = decoding(options, captioner.config)
    for number, path in enumerate(paths):
        if options.nbest:
            for entry in captioner.nbest([str(path)], options.nbest, settings)[0]:
                print(nbest_line(number, entry), flush=True)
        else:
            print(captioner.caption([str(path)], settings)[0].text, flush=True)


def _score(options: argparse.Namespace) -> None:
    from seq2seq.decoding.score_lines import read_pairs, score_stream
    from seq2seq.decoding.translator import Translator

    if bool(options.src) != bool(options.tgt):
        raise Seq2SeqError("--src and --tgt go together: expected both or neither")
    set_threads(options)
    translator = Translator.load(*options.model, device=options.device, precision=options.precision)
    pairs = read_pairs(sys.stdin.buffer, options.src, options.tgt)
    total = score_stream(
        translator, pairs, sys.stdout, decoding(options, translator.config), with_tokens=options.tokens
    )
    print(total.summary(), file=sys.stderr)


def _rescore(options: argparse.Namespace) -> None:
    from seq2seq.corpus.files import read_lines
    from seq2seq.decoding.rescoring import read_lists, rescored, tune_weight, write_lists
    from seq2seq.decoding.translator import Translator

    set_threads(options)
    translator = Translator.load(*options.model, device=options.device, precision=options.precision)
    settings = decoding(options, translator.config)
    lists = rescored(translator, read_lines(options.src), read_lists(sys.stdin, "stdin"), settings)
    weight = options.weight
    if options.tune:
        kept = list(lists)
        weight = tune_weight(kept, list(read_lines(options.tune)))
        print(f"best BLEU on {options.tune} with --weight {weight:g}", file=sys.stderr)
        write_lists(kept, weight, sys.stdout)
    else:
        write_lists(lists, weight, sys.stdout)


def _encode(options: argparse.Namespace) -> None:
    from seq2seq.decoding.translator import Translator
    from seq2seq.decoding.vectors import encode_stream

    set_threads(options)
    translator = Translator.load(options.model, device=options.device, precision=options.precision)
    count = encode_stream(translator, sys.stdin.buffer, options.out, layer=options.layer)
    print(f"wrote {count} vectors to {options.out}", file=sys.stderr)
