"""Decoding speed of a trained run: sentences/s by batch size and beam, in one run of this script.

Translates test sentences of the run's own corpus. "Batch" is the number of sentences handed over at
once; within it sentences are sorted by length and decoded together. Prints a Markdown table.

    .venv/bin/python scripts/benchmark_decoding.py --model runs/tatoeba-en-es [--precision bf16]
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from seq2seq.config import DecodingConfig
from seq2seq.corpus.prepared import prepare
from seq2seq.decoding.translator import Translator
from seq2seq.errors import Seq2SeqError


def measure(
    translator: Translator, sentences: Sequence[str], batch: int, options: DecodingConfig
) -> tuple[float, int, int]:
    """Seconds, sentences and output tokens of translating ``sentences`` by batches of that many."""
    translator.translate(sentences[:batch], options)
    started = time.perf_counter()
    outputs = [
        translation
        for start in range(0, len(sentences), batch)
        for translation in translator.translate(sentences[start : start + batch], options)
    ]
    seconds = time.perf_counter() - started
    return seconds, len(outputs), sum(len(output.tokens) for output in outputs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, type=Path, help="a trained run")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", nargs="+", default=["fp32", "bf16"])
    options = parser.parse_args()
    print("| precision | batch | beam | sentences/s | output tok/s | ms/sentence |")
    print("|---|---|---|---|---|---|")
    for precision in options.precision:
        translator = Translator.load(options.model, device=options.device, precision=precision)
        sentences = [pair.src for pair in prepare(translator.config).test]
        for batch, count in ((1, 100), (64, 1024)):
            for beam in (1, 5):
                decoding = replace(translator.config.decoding, beam=beam)
                seconds, done, tokens = measure(translator, sentences[:count], batch, decoding)
                print(
                    f"| {precision} | {batch} | {beam} | {done / seconds:.0f} | {tokens / seconds:.0f} | "
                    f"{1e3 * seconds / done:.1f} |",
                    flush=True,
                )


if __name__ == "__main__":
    try:
        main()
    except Seq2SeqError as error:
        raise SystemExit(f"benchmark_decoding: {error}") from None
