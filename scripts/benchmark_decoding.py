"""Decoding speed of a trained run: sentences/s by batch size, beam and precision, and the share of each part.

Translates test sentences of the run's own corpus. "Batch" is the number of sentences in a call of ``translate``, which
sorts them by length and decodes them together. Precisions are measured in turn, ``--repeat`` times, and medians printed
in two Markdown tables.

    .venv/bin/python scripts/benchmark_decoding.py --model runs/tatoeba-en-es [--precision fp32 bf16 int8] [--threads 2]
"""

import argparse
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from timing import PartClock, print_shares

from seq2seq.config import DecodingConfig
from seq2seq.corpus.prepared import prepare
from seq2seq.decoding.translator import Translator
from seq2seq.errors import Seq2SeqError

# Sentences translated for one figure, by batch size.
_COUNTS = {1: 60, 16: 256, 64: 512, 256: 1024}


def measure(translator: Translator, sentences: Sequence[str], batch: int, options: DecodingConfig) -> tuple[float, int]:
    """Seconds and output tokens of translating ``sentences`` in batches of ``batch``."""
    started = time.perf_counter()
    outputs = [
        translation
        for start in range(0, len(sentences), batch)
        for translation in translator.translate(sentences[start : start + batch], options)
    ]
    return time.perf_counter() - started, sum(len(output.tokens) for output in outputs)


def shares(translator: Translator, sentences: Sequence[str], options: DecodingConfig) -> dict[str, float]:
    """Share of the time of each part of the model; the rest is search and text."""
    model = translator.model
    clock = PartClock(translator.device_spec.device, rest="search, text")
    clock.watch("encoder", model.encoder)
    clock.watch("decoder layers", model.decoder.bottom, model.decoder.upper)
    clock.watch("attention", model.decoder.attention)
    clock.watch("readout, output", model.decoder.readout, model.decoder.output)
    measure(translator, sentences, 64, options)
    return clock.shares()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, type=Path, help="a trained run")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16", "int8"])
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 16, 64, 256])
    parser.add_argument("--beam", nargs="+", type=int, default=[1, 5, 12])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    kinds = {name: Translator.load(options.model, device=options.device, precision=name) for name in options.precision}
    first = next(iter(kinds.values()))
    sentences = [pair.src for pair in prepare(first.config, options.model).test]
    print(
        "| batch | beam | precision | sentences/s | output tok/s | ms/sentence | ratio |\n|---|---|---|---|---|---|---|"
    )
    for batch in options.batch:
        subset = sentences[: _COUNTS.get(batch, 8 * batch)]
        for beam in options.beam:
            decoding = replace(first.config.decoding, beam=beam)
            rates: dict[str, list[tuple[float, int]]] = {name: [] for name in kinds}
            for translator in kinds.values():
                measure(translator, subset[:batch], batch, decoding)
            for _ in range(options.repeat):
                for name, translator in kinds.items():
                    rates[name].append(measure(translator, subset, batch, decoding))
            medians = {name: statistics.median(seconds for seconds, _ in rounds) for name, rounds in rates.items()}
            for name, seconds in medians.items():
                print(
                    f"| {batch} | {beam} | {name} | {len(subset) / seconds:.0f} | {rates[name][0][1] / seconds:.0f} | "
                    f"{1e3 * seconds / len(subset):.1f} | {medians[options.precision[0]] / seconds:.2f} |",
                    flush=True,
                )
    print("\nShare of time, batches of 64:\n")
    names = ["encoder", "decoder layers", "attention", "readout, output", "search, text"]
    rows = {
        f"beam {beam}, {name}": shares(translator, sentences[:512], replace(first.config.decoding, beam=beam))
        for beam in options.beam
        for name, translator in kinds.items()
    }
    print_shares(rows, names)


if __name__ == "__main__":
    try:
        main()
    except Seq2SeqError as error:
        raise SystemExit(f"benchmark_decoding: {error}") from None
