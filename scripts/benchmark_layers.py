"""Benchmarks layers: our stacks against ``nn.LSTM``, each cell against the LSTM, attention against input feeding.

Forward and backward on synthetic batches. Alternatives are timed in turn within one run and the ratio of medians is
printed, so that a slow spell of the machine affects all of them.

    .venv/bin/python scripts/benchmark_layers.py [--device cuda] [--repeat 15] [--compile]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from seq2seq.config import ModelConfig
from seq2seq.corpus.batching import collate
from seq2seq.device import DeviceSpec, tune_process
from seq2seq.model.build import build_cell, build_model
from seq2seq.model.cells import LSTM
from seq2seq.model.recurrent import RecurrentStack
from seq2seq.model.step_cells import StepCell
from seq2seq.training.objective import cross_entropy

Work = Callable[[], Tensor]


def compare(works: dict[str, Work], device_spec: DeviceSpec, repeat: int) -> None:
    """Prints the milliseconds of each alternative and its ratio to the first."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(repeat + 2):
        for name, work in works.items():
            started = time.perf_counter()
            work().backward()
            if device_spec.device.type == "cuda":
                torch.cuda.synchronize(device_spec.device)
            if number >= 2:
                times[name].append(1e3 * (time.perf_counter() - started))
    medians = {name: statistics.median(values) for name, values in times.items()}
    first = next(iter(medians.values()))
    for name, median in medians.items():
        print(f"| {name} | {device_spec.precision} | {median:.1f} | {median / first:.2f} |", flush=True)


def against_torch(device_spec: DeviceSpec, batch: int, steps: int, width: int) -> dict[str, Work]:
    """A stack of two layers and ``nn.LSTM(num_layers=2)``, without padding and with it."""
    stack = RecurrentStack([LSTM(width, width), LSTM(width, width)], nn.Identity(), [False, False])
    raw = nn.LSTM(width, width, num_layers=2, batch_first=True)
    place = device_spec.device, device_spec.dtype
    stack, raw = stack.to(*place), raw.to(*place)
    inputs = torch.randn(batch, steps, width).to(*place)
    lengths = torch.randint(steps // 2, steps, (batch,)).sort(descending=True).values
    lengths[0] = steps
    there = lengths.to(device_spec.device)  # packing wants them on the host

    def packed() -> Tensor:
        outputs, _ = raw(pack_padded_sequence(inputs, lengths, batch_first=True))
        return pad_packed_sequence(outputs, batch_first=True)[0].sum()

    return {
        f"nn.LSTM 2×{width}, {batch}×{steps}": lambda: raw(inputs)[0].sum(),
        f"RecurrentStack 2×{width}, {batch}×{steps}": lambda: stack(inputs)[0].sum(),
        "nn.LSTM, packed": packed,
        "RecurrentStack, lengths differ": lambda: stack(inputs, lengths=there)[0].sum(),
    }


def cells(device_spec: DeviceSpec, batch: int, steps: int, width: int, *, compiled: bool) -> dict[str, Work]:
    """One layer of each kind; step cells also with their step compiled."""
    place = device_spec.device, device_spec.dtype
    inputs = torch.randn(batch, steps, width).to(*place)

    def work(cell: nn.Module) -> Work:
        return lambda: cell(inputs)[0].sum()

    works: dict[str, Work] = {}
    for kind in ("lstm", "gru", "rnn", "peephole", "layernorm"):
        works[f"{kind} {width}, {batch}×{steps}"] = work(build_cell(kind, width, width, ModelConfig()).to(*place))
        cell: Any = build_cell(kind, width, width, ModelConfig()).to(*place)
        if compiled and isinstance(cell, StepCell):
            cell.__dict__["step"] = torch.compile(cell.step)
            works[f"{kind}, step compiled"] = work(cell)
    return works


def attention(device_spec: DeviceSpec, batch: int, steps: int, width: int, vocab: int) -> dict[str, Work]:
    """Whole models and their loss: attention after the bottom layer, with input feeding, without attention."""
    config = ModelConfig(layers=2, hidden_size=width, dropout=0.0, attention="general")
    ids = torch.randint(4, vocab, (2, batch, steps - 1)).tolist()
    data = collate(ids[0], ids[1], reverse=False).to(device_spec.device)

    def work(config: ModelConfig) -> Work:
        model = build_model(config, vocab, vocab).to(device_spec.device, device_spec.dtype)
        return lambda: cross_entropy(model(data), model.decoder.output, data.tgt_out, smoothing=0.1).smoothed

    return {
        f"attention, 2×{width}, {vocab} pieces, {batch}×{steps}": work(config),
        "the same with input feeding": work(replace(config, input_feeding=True)),
        "the same, additive": work(replace(config, attention="additive")),
        "the same without attention": work(replace(config, attention="none")),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--compile", action="store_true", help="also time step cells under torch.compile (needs g++)")
    options = parser.parse_args()
    torch.manual_seed(0)
    cuda = DeviceSpec.pick(options.device, "fp32").device.type == "cuda"
    print("| what | precision | ms | ratio |\n|---|---|---|---|")
    for precision in ("fp16", "bf16") if cuda else ("fp32", "bf16"):
        device_spec = DeviceSpec.pick(options.device, precision)
        tune_process(device_spec)
        compare(against_torch(device_spec, 64, 15, 512), device_spec, options.repeat)
        compare(cells(device_spec, 64, 15, 256, compiled=options.compile), device_spec, options.repeat)
        compare(attention(device_spec, 64, 15, 512, 8000), device_spec, options.repeat)


if __name__ == "__main__":
    main()
