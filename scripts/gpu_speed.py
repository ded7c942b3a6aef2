"""The measurements of ``gpu_check.py``, one section a process: Markdown tables of rates.

Tokens count source and target of training, and outputs of search. "Share" is the arithmetic of an update by the rate of
a big matrix product in the same precision; "busy" is the part of the wall time in which kernels ran, by torch's
profiler, which slows the host a little.

    python scripts/gpu_speed.py updates [--device cuda] [--miniature]
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from timing import gemm_rate, now
from torch.profiler import ProfilerActivity, profile
from training_cases import coming_batches, operations

from seq2seq.config import Config, DecodingConfig
from seq2seq.corpus.batching import collate
from seq2seq.corpus.prepared import Prepared
from seq2seq.corpus.subword import BOS, EOS, PAD, Vocabularies
from seq2seq.corpus.token_file import TokenColumn
from seq2seq.device import DeviceSpec
from seq2seq.graphs import Recorder
from seq2seq.model.build import build_model
from seq2seq.model.seq2seq import Seq2Seq
from seq2seq.recipe import load_recipe
from seq2seq.search.problem import SearchProblem
from seq2seq.search.recorded import Recordings
from seq2seq.search.rules import Banned, MinLength, Rules
from seq2seq.search.strategy import search
from seq2seq.training.batches import BatchSource
from seq2seq.training.trainer import Trainer

_TOKENS = 25
"""Of each side of a pair, end mark included."""
_OUTPUT = 30
"""Tokens that every output is forced to."""


@dataclass(frozen=True)
class Sizes:
    """What is measured; the miniature shows only that it works."""

    widths: tuple[int, int] = (1024, 1000)
    pieces: int = 32_000
    batches: tuple[int, ...] = (128, 512, 2048)
    updates: int = 30
    searches: tuple[tuple[int, int, int], ...] = ((2, 512, 8_000), (4, 1024, 32_000))
    """Layers, width and pieces of the models that decode."""
    sentences: tuple[int, ...] = (1, 64, 512, 2048)
    pairs: int = 400_000
    """Of the corpus whose batches are made."""


MINIATURE = Sizes(
    widths=(16, 16), pieces=50, batches=(4, 8), updates=12, searches=((1, 16, 50),), sentences=(1, 3), pairs=2_000
)


def machine(sizes: Sizes, options: argparse.Namespace) -> None:
    """Versions, and the rate of big matrix products."""
    cuda = options.device == "cuda"
    print(f"Python {sys.version.partition(' ')[0]}, torch {torch.__version__}, CUDA {torch.version.cuda}")
    print(f"{torch.cuda.get_device_name() if cuda else 'CPU'}, {torch.get_num_threads()} host threads\n")
    print("| precision | TFLOP/s |\n|---|---|")
    for precision in ("fp32", "bf16", *(["fp16"] if cuda else [])):
        rate = gemm_rate(DeviceSpec.pick(options.device, precision), repeat=5)
        print(f"| {precision} | {rate / 1e12:.1f} |", flush=True)


def updates(sizes: Sizes, options: argparse.Namespace) -> None:
    """Whole updates of two big models, on pairs of 25 and 25 tokens."""
    shape = "layers=4", "residual_from=3", "dropout=0.2"
    gnmt, plain = sizes.widths
    models = {
        f"4+4×{gnmt}, attention": [
            *(f"hidden_size={gnmt}", f"embedding_size={gnmt}", 'encoder="bidirectional"', 'attention="general"'),
            *('bidirectional_layers="first"', "reverse_source=false"),
        ],
        f"4×{plain}": [f"hidden_size={plain}", f"embedding_size={plain}", 'attention="none"'],
    }
    print("| model | precision | B | ms | tokens/s | share | busy |\n|---|---|---|---|---|---|---|")
    for name, settings in models.items():
        table = [f"model.{setting}" for setting in (*shape, 'tie_embeddings="none"', *settings)]
        config = load_recipe("tatoeba-en-es", table)
        for precision in ("bf16", "fp16") if options.device == "cuda" else ("fp32",):
            device_spec = DeviceSpec.pick(options.device, precision)
            rate = gemm_rate(device_spec, repeat=3)
            for batch in sizes.batches:
                trainer = _trainer(config, device_spec, batch, sizes)
                work = operations(trainer, next(coming_batches(trainer)))
                steps = trainer.steps()
                seconds, busy = _time(partial(next, steps), sizes.updates, device_spec)
                cells = f"{1e3 * seconds:.1f}", f"{2 * _TOKENS * batch / seconds:,.0f}", f"{work / seconds / rate:.0%}"
                print(f"| {name} | {precision} | {batch} | {' | '.join(cells)} | {busy:.0%} |", flush=True)
                del trainer, steps


def _trainer(config: Config, device_spec: DeviceSpec, batch: int, sizes: Sizes) -> Trainer:
    torch.manual_seed(1)
    training = replace(config.training, batch_sentences=batch, max_updates=10**9, max_minutes=0.0, max_epochs=0.0)
    corpus = random_corpus(batch * 64, [_TOKENS - 1] * 2, sizes.pieces)
    cuda = device_spec.device.type == "cuda"
    batches = BatchSource(corpus, training, reverse=config.model.reverse_source, ahead=cuda)
    return Trainer(build_model(config.model, sizes.pieces, sizes.pieces), batches, training, device_spec)


def random_corpus(pairs: int, longest: list[int], pieces: int, *, shortest: int = 0) -> Prepared:
    """Pairs of random pieces, of one length a side or, with ``shortest``, of all lengths from there on."""
    random = np.random.default_rng(1)
    columns = []
    for most in longest:
        lengths = random.integers(shortest or most, most + 1, pairs)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
        values = pa.array(random.integers(4, pieces, int(lengths.sum())), pa.int32())
        columns.append(TokenColumn([pa.ListArray.from_arrays(offsets, values)]))
    src, tgt = columns
    empty = Vocabularies.__new__(Vocabularies)  # nothing decodes these pairs
    return Prepared(vocabularies=empty, src=src, tgt=tgt, validation=[], test=[], report={}, folder=Path())


def _time(work: Callable[[], object], times: int, device_spec: DeviceSpec) -> tuple[float, float]:
    """Seconds of a call, the median of five rounds, and the share of them in which the GPU worked."""
    device = device_spec.device
    for _ in range(8):  # eager ones, and the recording of a graph
        work()
    rounds = []
    for _ in range(5):
        started = now(device)
        for _ in range(max(1, times // 5)):
            work()
        rounds.append((now(device) - started) / max(1, times // 5))
    if device.type != "cuda":
        return statistics.median(rounds), 1.0
    started = now(device)
    with profile(activities=[ProfilerActivity.CUDA]) as recorded:
        for _ in range(3):
            work()
        torch.cuda.synchronize()
    kernels = sum(event.self_device_time_total for event in recorded.key_averages()) / 1e6
    return statistics.median(rounds), min(1.0, kernels / (3 * statistics.median(rounds)))


def producer(sizes: Sizes, options: argparse.Namespace) -> None:
    """Batches of pairs of 5 to 40 tokens, made but not trained on."""
    corpus = random_corpus(sizes.pairs, [40, 40], sizes.pieces, shortest=5)
    training = replace(load_recipe("tatoeba-en-es", []).training, batch_tokens=12_000)
    batches = BatchSource(corpus, training, reverse=True, shapes=True, ahead=True)
    started, tokens = time.perf_counter(), 0
    for batch, _ in batches.epoch(0):
        assert batch is not None  # this process has no others to share with
        tokens += int(batch.src_lengths.sum()) + int((batch.tgt_out != PAD).sum())
    seconds = time.perf_counter() - started
    print(f"{tokens:,} source and target tokens in {seconds:.2f} s: {tokens / seconds:,.0f} tokens/s")


def find(sizes: Sizes, options: argparse.Namespace) -> None:
    """Outputs forced to 30 tokens, of random sources of 25."""
    print("| model | precision | sentences | beam | ms | output tokens/s | busy |\n|---|---|---|---|---|---|---|")
    for layers, width, pieces in sizes.searches:
        settings = f"layers={layers}", f"hidden_size={width}", f"embedding_size={width}", 'tie_embeddings="none"'
        config = load_recipe("tatoeba-en-es", [f"model.{one}" for one in (*settings, "residual_from=0")])
        for precision in ("bf16", "fp32") if options.device == "cuda" else ("fp32",):
            device_spec = DeviceSpec.pick(options.device, precision)
            torch.manual_seed(1)
            model = build_model(config.model, pieces, pieces).to(device_spec.device, device_spec.dtype).eval()
            recordings = Recordings(Recorder(device_spec.device))
            for sentences, beam in product(sizes.sentences, (1, 5)):
                seconds, busy = _time(partial(_decode, model, recordings, sentences, beam), 5, device_spec)
                cells = f"{1e3 * seconds:.1f}", f"{sentences * _OUTPUT / seconds:,.0f}", f"{busy:.0%}"
                title = f"{layers}×{width}, {pieces:,} pieces"
                print(f"| {title} | {precision} | {sentences} | {beam} | {' | '.join(cells)} |", flush=True)


@torch.inference_mode()
def _decode(model: Seq2Seq, recordings: Recordings, sentences: int, beam: int) -> None:
    """Encodes random sources and searches for outputs of exactly ``_OUTPUT`` tokens."""
    weight = model.decoder.output.weight
    sources = np.random.default_rng(1).integers(4, len(weight), (sentences, _TOKENS - 1))
    length = torch.full((sentences,), _OUTPUT, device=weight.device)
    rules = Rules(eos=EOS, longest=length, strikes=[Banned((PAD, BOS)), MinLength(length, EOS)])
    _, state = model.encode(collate(sources.tolist(), reverse=True).to(weight.device))
    problem = SearchProblem(model.decoder.step, state, BOS, rules, recordings=recordings)
    outputs = search(problem, DecodingConfig(beam=beam))
    assert all(len(output.tokens) == _OUTPUT for beams in outputs for output in beams)


def recipe(sizes: Sizes, options: argparse.Namespace) -> None:
    """The recipe from its data to BLEU, and one sentence at a time with the model that it gives."""
    name, settings = "multi30k-en-de-attention", [f"data.path={options.data}"]
    if options.miniature:
        name, settings = "reverse-digits", ["training.max_updates=40", "training.log_every=10"]
    elif not options.data:
        print("left out: no --data")
        return
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder, "run")
        given = [word for setting in (*settings, f"data.directory={folder}") for word in ("--set", setting)]
        started = time.perf_counter()
        command = [sys.executable, "-m", "seq2seq", "train", name, "--run", str(run), "--device", options.device]
        said = subprocess.run([*command, *given], check=True, capture_output=True, text=True)
        print(f"{name}: {time.perf_counter() - started:.0f} s from the data to the report\n")
        log = (run / "log.jsonl").read_text().splitlines()
        print("\n".join(["```", *log[-2:], *said.stdout.splitlines()[-8:], "```"]))
        lines = re.findall(r'"tokens_per_second": ([\d.]+)', "\n".join(log))
        print(f"median of the log: {statistics.median(map(float, lines)):,.0f} target tokens/s")
        _one_by_one(run, options)


def _one_by_one(run: Path, options: argparse.Namespace) -> None:
    """Milliseconds of one sentence, greedy, at both precisions."""
    from seq2seq.corpus.prepared import prepare
    from seq2seq.decoding.translator import Translator

    for precision in ("bf16", "fp32") if options.device == "cuda" else ("fp32",):
        translator = Translator.load(run, device=options.device, precision=precision)
        sentences = [pair.src for pair in prepare(translator.config).test[:60]]
        times = []
        for sentence in sentences:
            started = time.perf_counter()
            translator.translate([sentence], DecodingConfig(beam=1))
            times.append(time.perf_counter() - started)
        print(f"one sentence, greedy, {precision}: {1e3 * statistics.median(times[10:]):.1f} ms (median)")


_PARTS = {"machine": machine, "updates": updates, "producer": producer, "search": find, "recipe": recipe}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=_PARTS)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--miniature", action="store_true")
    options = parser.parse_args()
    _PARTS[options.part](MINIATURE if options.miniature else Sizes(), options)


if __name__ == "__main__":
    main()
