"""Speed of training compared with other toolkits: the same data, pieces, sizes and threads, in one run of this script.

Trains a two-layer LSTM with attention (embedding 256, hidden 512, bidirectional encoder of 2×256, 8,000 joint pieces,
batches of 64 sentences, Adam, label smoothing 0.1, no dropout, nothing tied) with each toolkit and with ours. Prints
the known differences and a Markdown table of target tokens/s, with how many times as fast ours is.

Every rate is the *difference* in tokens over the difference in seconds of a long and a short training, which cancels
the time of starting and loading. Tokens are counted here, not by the toolkits: a training is one epoch over a given
number of sentences. Each round (``--repeat``) runs every toolkit once; the median counts.

    scripts/make_environments.sh /tmp/peers opennmt joeynmt fairseq
    .venv/bin/python scripts/compare_training.py --data DIR --environments /tmp/peers

``peers/shim/sitecustomize.py``, which their processes import, has patches. How fast toolkits decode:
scripts/compare_engines.py.
"""

import argparse
import os
import tempfile
from pathlib import Path

from peers.corpus import make_corpus
from peers.fairseq_lstm import Fairseq
from peers.joey import Joey
from peers.measure import Row, train_round, training_table
from peers.opennmt import OpenNMT
from peers.ours import Ours
from peers.toolkit import Corpus, Toolkit, ToolkitError

from seq2seq.errors import Seq2SeqError


def toolkits(options: argparse.Namespace, corpus: Corpus) -> list[Toolkit]:
    """Ours in each precision, then the others that are installed; who is not is named."""
    compared: list[Toolkit] = [Ours(corpus, precision, f"seq2seq {precision}") for precision in options.precision]
    for name in ("opennmt", "fairseq", "joeynmt"):
        python = str(options.environments / name / "bin" / "python") if options.environments else ""
        if not os.path.exists(python):
            print(f"Left out: no environment {name}.\n")
        elif name == "opennmt":
            compared.append(OpenNMT(corpus, python, "OpenNMT-py", input_feeding=True))
            compared.append(OpenNMT(corpus, python, "OpenNMT-py, no input feeding", input_feeding=False))
        else:
            compared.append(Fairseq(corpus, python) if name == "fairseq" else Joey(corpus, python))
    return compared


def train_all(rows: list[Row], corpus: Corpus, options: argparse.Namespace) -> None:
    """Measures by turns; another's toolkit that fails is named and taken out of the rows.

    Raises:
        ToolkitError: ours failed.
    """
    for _ in range(options.repeat):
        for row in list(rows):
            try:
                train_round(row, corpus, options.threads)
            except (ToolkitError, OSError) as error:
                if isinstance(row.toolkit, Ours):
                    raise ToolkitError(f"{row.toolkit.name} failed: {error}") from None
                print(f"{row.toolkit.name} failed and is left out: {error}\n", flush=True)
                rows.remove(row)


def print_differences(rows: list[Row], options: argparse.Namespace) -> None:
    print("Differences:\n")
    for difference in dict.fromkeys(row.toolkit.difference for row in rows):
        names = ", ".join(row.toolkit.name for row in rows if row.toolkit.difference == difference)
        print(f"- {names}: {difference}.")
    products = options.peers_matmul or "as torch has them"
    print(f"- Float32 products: ours through oneDNN where the CPU has no AMX, the others' {products}.\n", flush=True)


def compare(options: argparse.Namespace, work: Path) -> None:
    corpus = make_corpus(options.data, work, (options.warm_up, options.warm_up + options.updates))
    rows = [Row(toolkit, work / f"{number}") for number, toolkit in enumerate(toolkits(options, corpus))]
    if options.peers_matmul:
        os.environ["PEERS_MATMUL"] = options.peers_matmul
    print(f"{options.threads} threads; medians of {options.repeat} rounds.\n")
    print_differences(rows, options)
    train_all(rows, corpus, options)
    ours = [row for row in rows if isinstance(row.toolkit, Ours)]
    tokens = corpus.long.tokens - corpus.short.tokens
    print(f"{options.updates} updates of 64 sentences, {tokens} target tokens with their end marks\n")
    print(training_table(rows, ours, corpus))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, type=Path, help="Multi30k: {train,val,test_2016_flickr}.{en,de}")
    parser.add_argument("--environments", type=Path, metavar="DIR", help="made by scripts/make_environments.sh")
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"], choices=["fp32", "bf16"], help="of ours")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--updates", type=int, default=300, help="measured updates")
    parser.add_argument("--warm-up", type=int, default=30, help="updates of the short training")
    parser.add_argument("--repeat", type=int, default=3, help="rounds")
    parser.add_argument("--peers-matmul", choices=["medium", "high"], help="the others' float32 matrix products")
    parser.add_argument("--work", type=Path, help="new or empty folder (default: a temporary one)")
    options = parser.parse_args()
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
        raise SystemExit(f"compare_training: {error}") from None
