"""Speed of training: tokens/s, share of the machine's own GEMM rate, where the time goes, and whether data keep up.

Trains for real, on real corpora (and on one made up for the biggest model). Prints two Markdown tables. In the first,
tokens are real target tokens, end marks included and padding not; "GEMM" is the rate of a big matrix product in the
same precision, measured just before; "data keep up" is the rate of ``Trainer.steps()``, which reads, collates
and trains, by the rate of the same updates on batches that lie ready in memory: rounds of both take turns, the median
counts, and the sorting at the start of an epoch is counted in proportion. In the second table backward is
that of the whole model but for the output layer, whose gradient is made with the loss.

    .venv/bin/python scripts/benchmark_training.py [--device cuda] [--multi30k DIR] [--batch-tokens 4096 16384]
"""

import argparse
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from timing import PartClock, gemm_rate, now, print_shares
from training_cases import Case, cases, coming_batches, operations

from seq2seq.corpus.prepared import Prepared
from seq2seq.corpus.subword import PAD
from seq2seq.device import DeviceSpec, tune_process
from seq2seq.errors import Seq2SeqError
from seq2seq.training.optimizer import clip_gradients, optimizer_step
from seq2seq.training.trainer import Trainer

# Target tokens of a batch on a GPU; a CPU takes what the recipe says.
_GPU_BATCHES = (4096, 16384, 65536)
_PARTS = ["data", "encoder", "decoder", "attention", "output, loss", "backward", "optimiser", "rest"]


@dataclass(frozen=True)
class Pace:
    """What a model's training was measured at."""

    seconds: float
    """Of an update on a batch that lies ready."""
    keeps_up: float
    """Rate of updates whose batches are made meanwhile, by the rate of those whose batches are ready."""
    tokens: float
    """Target tokens of an update, without padding."""
    operations: float
    """Floating-point operations of an update."""


def measure(trainer: Trainer, rounds: int, round_seconds: float) -> Pace:
    """Trains by turns on batches as they are made and on the same ones, made before."""
    device = trainer.device_spec.device
    ready, steps = coming_batches(trainer), trainer.steps()
    started = now(device)
    order = trainer.batches.order
    epoch_updates = sum(
        len(order.fill(0, place, order.src_lengths[pool], order.tgt_lengths[pool]))
        for place, pool in enumerate(order.pools(0))
    )
    sorting = now(device) - started
    for batch, _ in zip(islice(ready, 3), steps, strict=False):
        started = now(device)
        trainer._update([batch])
        once = now(device) - started
    updates = min(200, max(2, round(round_seconds / once)))
    made, lying, batches = [], [], []
    for _ in range(rounds):
        some = list(islice(ready, updates))
        started = now(device)
        for batch in some:
            trainer._update([batch])
        between, epoch = now(device), trainer.state.epoch
        for _ in islice(steps, updates):
            pass
        lying.append(between - started)
        # An epoch begins in few rounds or in all of them, so its sorting is shared out.
        begun = trainer.state.epoch - epoch
        made.append(now(device) - between + sorting * (updates / epoch_updates - begun))
        batches += some
    ratios = [one / two for one, two in zip(lying, made, strict=True)]
    tokens = sum(int((batch.tgt_out != PAD).sum()) for batch in batches)
    work = sum(operations(trainer, batch) for batch in batches)
    return Pace(
        statistics.median(lying) / updates, statistics.median(ratios), tokens / len(batches), work / len(batches)
    )


def shares(trainer: Trainer, updates: int) -> dict[str, float]:
    """Share of the time that each part of an update takes: what :meth:`Trainer._update` does, taken apart."""
    model, optimizer, scale = trainer.model, trainer.learner.optimizer, trainer.learner.scale
    bad = torch.zeros((), device=trainer.device_spec.device)
    batches = coming_batches(trainer)
    next(batches)
    clock = PartClock(trainer.device_spec.device, rest="rest")
    attention = model.decoder.attention
    clock.watch("encoder", model.encoder)
    clock.watch("decoder", model.decoder, model.decoder.bridge)
    clock.watch("attention", *(attention.modules() if attention else ()))
    for _ in range(updates):
        with clock.part("data"):
            batch = next(batches).to(trainer.device_spec.device)
        tokens = (batch.tgt_out != PAD).sum()
        with clock.part("optimiser"):
            optimizer.zero_grad()
        weights = trainer.learner.objective.cast_weights(trainer.device_spec.dtype)
        with clock.part("output, loss"):
            loss = trainer.learner.objective.loss(batch, weights)
        with clock.part("backward"):
            scale.scale(loss.smoothed / tokens).backward()
        with clock.part("optimiser"):
            clip_gradients(model.parameters(), 1.0, scale)
            optimizer_step(optimizer, scale, bad)
    return clock.shares()


def benchmark(
    case: Case, prepared: Prepared, device_specs: Sequence[DeviceSpec], options: argparse.Namespace
) -> Iterator[tuple[str, dict[str, float]]]:
    """Prints a row for each precision and batch size; gives each with its parts."""
    for device_spec in device_specs:
        tune_process(device_spec)
        machine = gemm_rate(device_spec, options.repeat)
        for batch_tokens in options.batch_tokens:
            torch.manual_seed(1)
            trainer = case.trainer(prepared, device_spec, batch_tokens)
            found = measure(trainer, options.repeat, options.seconds)
            rate = found.operations / found.seconds
            cells = (
                *(
                    case.name,
                    device_spec.precision,
                    trainer.config.batch_tokens,
                    f"{trainer.batches.order.padding_share():.1%}",
                ),
                *(f"{found.tokens / found.seconds:.0f}", f"{1e3 * found.seconds:.1f}", f"{rate / 1e9:.0f}"),
                *(f"{machine / 1e9:.0f}", f"{rate / machine:.0%}", f"{found.keeps_up:.1%}"),
            )
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
            updates = min(50, max(2, round(options.seconds / found.seconds)))
            yield f"{case.name}, {device_spec.precision}, {trainer.config.batch_tokens}", shares(trainer, updates)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--multi30k", type=Path, default=Path("data/multi30k"), metavar="DIR")
    parser.add_argument("--model", nargs="+", metavar="WORD", help="only models whose names hold one of these")
    parser.add_argument("--precision", nargs="+", metavar="NAME", help="default: fp32 bf16; fp16 bf16 on a GPU")
    parser.add_argument("--batch-tokens", nargs="+", type=int, metavar="N", help="default: the recipe's; on a GPU more")
    parser.add_argument("--repeat", type=int, default=5, help="rounds")
    parser.add_argument("--seconds", type=float, default=3.0, help="of half a round, if that is two updates or more")
    options = parser.parse_args()
    cuda = DeviceSpec.pick(options.device, "fp32").device.type == "cuda"
    options.batch_tokens = options.batch_tokens or (_GPU_BATCHES if cuda else (0,))
    names = options.precision or (("fp16", "bf16") if cuda else ("fp32", "bf16"))
    device_specs = [DeviceSpec.pick(options.device, name) for name in names]
    where = torch.cuda.get_device_name() if cuda else f"{torch.get_num_threads()} CPU threads"
    print(f"torch {torch.__version__}, {where}\n")
    chosen = [
        case
        for case in cases(options.multi30k)
        if not options.model or any(word in case.name for word in options.model)
    ]
    print(
        "| model | precision | batch tokens | padding | target tok/s | ms/update | GFLOP/s | GEMM GFLOP/s | share | "
        f"data keep up |\n|{'---|' * 10}"
    )
    rows: dict[str, dict[str, float]] = {}
    for case in chosen:
        rows |= benchmark(case, case.corpus(), device_specs, options)
    print("\nShare of the time of an update:\n")
    print_shares(rows, _PARTS)


if __name__ == "__main__":
    try:
        main()
    except Seq2SeqError as error:
        raise SystemExit(f"benchmark_training: {error}") from None
