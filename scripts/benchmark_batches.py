"""Batches of a recipe's corpus: their padding and shapes, and how fast one thread makes them.

Prints a Markdown table, a row for each batch size: batches of an epoch, share of padding and number of shapes, as on a
CPU and, with lengths and rows rounded, as on a GPU; then source and target tokens a second, padding not counted, of a
thread that does nothing but make the latter.

    .venv/bin/python scripts/benchmark_batches.py multi30k-en-de --set data.path=data/multi30k [--batch-tokens N …]
"""

import argparse
import time
from dataclasses import replace

from seq2seq.corpus.batch_order import BatchOrder
from seq2seq.corpus.prepared import prepare
from seq2seq.errors import Seq2SeqError
from seq2seq.recipe import load_recipe
from seq2seq.training.batches import BatchSource


def shapes(order: BatchOrder) -> list[object]:
    """The shape of each batch of an epoch."""
    found: list[object] = []
    for place, pool in enumerate(order.pools(0)):
        src_lengths, tgt_lengths = order.src_lengths[pool], order.tgt_lengths[pool]
        for batch in order.fill(0, place, src_lengths, tgt_lengths):
            found.append(order.shape(src_lengths[batch], tgt_lengths[batch]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("recipe")
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE", dest="overrides")
    parser.add_argument("--batch-tokens", nargs="+", type=int, metavar="N", default=[500, 1200, 4000, 8000, 25_000])
    options = parser.parse_args()
    config = load_recipe(options.recipe, options.overrides)
    prepared = prepare(config)
    tokens = int((prepared.src.lengths() + 1).sum() + (prepared.tgt.lengths() + 1).sum())
    print("| batch tokens | batches | padding | shapes | batches | padding | shapes | million tokens/s |")
    print("|---|---|---|---|---|---|---|---|")
    for size in options.batch_tokens:
        training = replace(config.training, batch_tokens=size, batch_sentences=0)
        source = BatchSource(prepared, training, reverse=config.model.reverse_source, shapes=True, ahead=True)
        cells = [f"{size:,}"]
        for order in (replace(source.order, shapes=False), source.order):
            found = shapes(order)
            cells += [f"{len(found):,}", f"{order.padding_share():.1%}", f"{len(set(found)):,}"]
        seconds = []
        for epoch in range(3):
            started = time.perf_counter()
            for _ in source.epoch(epoch):
                pass
            seconds.append(time.perf_counter() - started)
        print(f"| {' | '.join(cells)} | {tokens / min(seconds) / 1e6:.1f} |", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Seq2SeqError as error:
        raise SystemExit(f"benchmark_batches: {error}") from None
