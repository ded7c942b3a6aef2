"""Speed compared with other toolkits: the same data, pieces, sizes and threads, in one run of this script.

Trains a two-layer LSTM with attention (embedding 256, hidden 512, bidirectional encoder of 2×256, 8,000 joint pieces,
batches of 64 sentences, Adam, label smoothing 0.1, no dropout, nothing tied) with each toolkit and with ours, then
translates the same sentences with beam 5. Prints the known differences and Markdown tables: training in target
tokens/s, decoding in sentences/s and output tokens/s, and how many times as fast ours is.

Every rate is the *difference* in amount over the difference in seconds of a long and a short process, which cancels
the time of starting and loading. Amounts are counted here, not by the toolkits: a training is one epoch over a given
number of sentences, and outputs are read from files. Each round (``--repeat``) runs every toolkit once; the median
counts.

``--precision`` lists the precisions of ours. The first of fp32 and bf16 trains the model that all of them decode with;
the others that ``Translator.load`` knows are for decoding only.

Barely trained models differ in the length of their outputs: compare tokens/s, or the table in which every output has
``--length`` tokens. Each other toolkit needs its own environment (constraints.txt keeps torch at our version):

    python3 -m venv /tmp/peers/joey     && /tmp/peers/joey/bin/pip install -c constraints.txt torch numpy \
        sentencepiece sacrebleu datasets tensorboard sacremoses subword-nmt matplotlib seaborn pyyaml six wrapt \
        packaging pandas pillow setuptools future importlib_metadata
    /tmp/peers/joey/bin/pip install --no-deps joeynmt==2.3.0
    python3 -m venv /tmp/peers/onmt     && /tmp/peers/onmt/bin/pip install -c constraints.txt torch numpy \
        sentencepiece sacrebleu configargparse tensorboard flask waitress pyyaml rapidfuzz pyahocorasick six \
        'ctranslate2>=4,<5' 'pyonmttok>=1.37,<2'
    /tmp/peers/onmt/bin/pip install --no-deps OpenNMT-py==3.5.1
    python3 -m venv /tmp/peers/fairseq  && /tmp/peers/fairseq/bin/pip install -c constraints.txt torch numpy \
        sacrebleu cython cffi regex bitarray tqdm packaging antlr4-python3-runtime==4.8 PyYAML setuptools wheel
    /tmp/peers/fairseq/bin/pip install --no-deps hydra-core==1.0.7 omegaconf==2.0.6
    /tmp/peers/fairseq/bin/pip install --no-deps fairseq==0.12.2    # compiles: needs a C++ compiler

    .venv/bin/python scripts/compare_peers.py --data DIR --joeynmt /tmp/peers/joey/bin/python \
        --opennmt /tmp/peers/onmt/bin/python --fairseq /tmp/peers/fairseq/bin/python

``peers/shim/sitecustomize.py``, which their processes import, has further patches.
"""

import argparse
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from peers.corpus import make_corpus
from peers.fairseq_lstm import Fairseq
from peers.joey import Joey
from peers.measure import Row, decode_round, decoding_table, train_round, training_table
from peers.opennmt import OpenNMT
from peers.ours import Ours
from peers.toolkit import Corpus, Lengths, Toolkit, ToolkitError

from seq2seq.errors import Seq2SeqError

# The precisions that ours can train in; others are for decoding.
_TRAINABLE = ("fp32", "bf16")


def toolkits(options: argparse.Namespace, corpus: Corpus) -> list[Toolkit]:
    """Ours in each precision, then the others that are installed."""
    compared: list[Toolkit] = [Ours(corpus, precision, f"seq2seq {precision}") for precision in options.precision]
    if options.opennmt:
        compared.append(OpenNMT(corpus, options.opennmt, "OpenNMT-py", input_feeding=True))
        compared.append(OpenNMT(corpus, options.opennmt, "OpenNMT-py, no input feeding", input_feeding=False))
    if options.fairseq:
        compared.append(Fairseq(corpus, options.fairseq))
    if options.joeynmt:
        compared.append(Joey(corpus, options.joeynmt))
    return compared


def try_round(row: Row, what: str, work: Callable[[], None]) -> None:
    """Takes one measurement; a toolkit that fails is named and left out from then on."""
    if row.failure:
        return
    try:
        work()
    except (ToolkitError, OSError) as error:
        row.failure = f"{row.toolkit.name} failed at {what}: {error}"
        print(f"{row.failure}\n", flush=True)


def train_all(rows: list[Row], corpus: Corpus, options: argparse.Namespace) -> None:
    for _ in range(options.repeat):
        for row in rows:
            if not isinstance(row.toolkit, Ours) or row.toolkit.precision in _TRAINABLE:
                try_round(row, "training", partial(train_round, row, corpus, options.threads))


def decode_all(rows: list[Row], corpus: Corpus, options: argparse.Namespace) -> dict[str, Lengths]:
    """Measures decoding; returns the kinds of outputs by name."""
    kinds = {"free": Lengths(0, options.max_length)}
    if options.length:
        kinds["equal"] = Lengths(options.length, options.length)
    # One model of ours for all precisions, so that they decode the same outputs.
    ours = next(row for row in rows if row.training and isinstance(row.toolkit, Ours))
    for kind, lengths in kinds.items():
        capable = []
        for row in rows:
            if reason := row.toolkit.why_not(lengths):
                print(f"{row.toolkit.name} is not in the table of equal lengths: {reason}.\n", flush=True)
            else:
                capable.append(row)
        for _ in range(options.decode_repeat or options.repeat):
            for row in capable:
                trained = ours if isinstance(row.toolkit, Ours) else row
                model = trained.folder / f"long-{len(trained.training) - 1}" / "run"
                try_round(row, "decoding", partial(decode_round, row, model, kind, lengths, corpus, options.threads))
    return kinds


def print_differences(rows: list[Row], options: argparse.Namespace) -> None:
    absent = [name for name in ("joeynmt", "opennmt", "fairseq") if not getattr(options, name)]
    if absent:
        print(f"Left out, since no python was given: {', '.join(absent)}.\n")
    print("Differences:\n")
    for difference in dict.fromkeys(row.toolkit.difference for row in rows):
        names = ", ".join(row.toolkit.name for row in rows if row.toolkit.difference == difference)
        print(f"- {names}: {difference}.")
    products = options.peers_matmul or "as torch has them"
    print(f"- Float32 products: ours through oneDNN where the CPU has no AMX, the others' {products}.\n", flush=True)


def report(rows: list[Row], corpus: Corpus, kinds: dict[str, Lengths]) -> None:
    ours = [row for row in rows if isinstance(row.toolkit, Ours)]
    updates = corpus.long.updates - corpus.short.updates
    tokens = corpus.long.tokens - corpus.short.tokens
    print(f"## Training: {updates} updates of 64 sentences, {tokens} target tokens with their end marks\n")
    print(training_table(rows, [row for row in ours if row.training], corpus))
    for kind, lengths in kinds.items():
        bounds = f"at most {lengths.most} tokens each" if kind == "free" else f"{lengths.most} tokens each"
        print(f"\n## Decoding: {corpus.many.count - corpus.few.count} sentences, beam 5, {bounds}\n")
        print(decoding_table(rows, [row for row in ours if kind in row.decoding], kind))


def compare(options: argparse.Namespace, work: Path) -> None:
    updates = options.warm_up, options.warm_up + options.updates
    corpus = make_corpus(options.data, work, updates, (options.warm_up_sentences, options.sentences))
    rows = [Row(toolkit, work / f"{number}") for number, toolkit in enumerate(toolkits(options, corpus))]
    if options.peers_matmul:
        os.environ["PEERS_MATMUL"] = options.peers_matmul
    decoding = options.decode_repeat or options.repeat
    print(f"{options.threads} threads; medians of {options.repeat} rounds of training, {decoding} of decoding.\n")
    print_differences(rows, options)
    train_all(rows, corpus, options)
    if failed := next((row.failure for row in rows if row.failure and isinstance(row.toolkit, Ours)), ""):
        raise ToolkitError(failed)
    report(rows, corpus, decode_all(rows, corpus, options))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path, help="Multi30k: {train,val,test_2016_flickr}.{en,de}")
    for name in ("joeynmt", "opennmt", "fairseq"):
        parser.add_argument(f"--{name}", metavar="PYTHON", help="interpreter of its environment")
    parser.add_argument(
        "--precision",
        nargs="+",
        default=["fp32", "bf16"],
        help="of ours; the first of fp32 and bf16 trains the model that all of ours decode with",
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--updates", type=int, default=300, help="measured updates")
    parser.add_argument("--warm-up", type=int, default=30, help="updates of the short training")
    parser.add_argument("--sentences", type=int, default=1000, help="to translate")
    parser.add_argument("--warm-up-sentences", type=int, default=64, help="sentences of the short run")
    parser.add_argument("--max-length", type=int, default=60, help="most tokens of free outputs")
    parser.add_argument("--length", type=int, default=15, help="tokens of outputs of equal length; 0: no such table")
    parser.add_argument("--repeat", type=int, default=3, help="rounds")
    parser.add_argument("--decode-repeat", type=int, default=0, help="rounds of decoding (default: --repeat)")
    parser.add_argument("--peers-matmul", choices=["medium", "high"], help="the others' float32 matrix products")
    parser.add_argument("--work", type=Path, help="new or empty folder (default: a temporary one)")
    options = parser.parse_args()
    if not set(options.precision) & set(_TRAINABLE):
        parser.error(f"--precision must name one that can train: {' or '.join(_TRAINABLE)}")
    if options.work and options.work.exists() and any(options.work.iterdir()):
        # fairseq would resume from a checkpoint that it finds there, and train nothing.
        parser.error(f"--work {options.work} is not empty")
    if options.work:
        compare(options, options.work.resolve())
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(options, Path(folder))


if __name__ == "__main__":
    try:
        main()
    except (Seq2SeqError, ToolkitError) as error:
        raise SystemExit(f"compare_peers: {error}") from None
