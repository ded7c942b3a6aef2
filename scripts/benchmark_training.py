"""Training speed against what the machine can do: target tokens/s and share of the measured GEMM rate.

Whole updates (forward, backward, clipping, optimiser) on synthetic batches, after a matrix product of
2048³ in the same precision was timed in the same run. Prints a Markdown table.

    .venv/bin/python scripts/benchmark_training.py [--device cuda] [--repeat 9]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from seq2seq.config import ModelConfig
from seq2seq.corpus.batching import Batch, collate
from seq2seq.model.build import build_model
from seq2seq.model.compute import Compute, tune_process
from seq2seq.recipe import load_recipe
from seq2seq.training.objective import cross_entropy


@dataclass(frozen=True)
class Case:
    """A model and the batch it is fed."""

    name: str
    model: ModelConfig
    vocab: int
    sentences: int
    length: int


def cases() -> list[Case]:
    default = load_recipe("tatoeba-en-es")
    length = 9  # the mean of the corpus; with its end mark each sentence has 10 tokens
    sentences = default.training.batch_tokens // (length + 1)
    big = ModelConfig(layers=4, hidden_size=1000, embedding_size=1000, tie_embeddings="none")
    return [
        Case("tatoeba-en-es", default.model, default.subword.vocab_size, sentences, length),
        Case("4×1000, 32k, 128×25", big, 32_000, 128, 24),
    ]


def median_seconds(work: Callable[[], None], device: torch.device, repeat: int) -> float:
    times = []
    for number in range(repeat + 2):
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if number >= 2:
            times.append(time.perf_counter() - started)
    return statistics.median(times)


def gemm_rate(compute: Compute, repeat: int) -> float:
    """FLOP/s of a 2048³ product."""
    size = 2048
    one, two = (torch.randn(size, size, device=compute.device, dtype=compute.dtype) for _ in range(2))

    def work() -> None:
        torch.mm(one, two)

    return 2 * size**3 / median_seconds(work, compute.device, repeat)


def update(case: Case, compute: Compute) -> tuple[Callable[[], None], int, float]:
    """One update as a function, its target tokens and its floating-point operations."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(4, case.vocab, (2, case.sentences, case.length), generator=generator).tolist()
    batch: Batch = collate(ids[0], ids[1], reverse=True).to(compute.device)
    model = build_model(replace(case.model, dropout=0.0), case.vocab, case.vocab).to(compute.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    scaler = torch.amp.GradScaler(compute.device.type, enabled=compute.dtype == torch.float16)
    tokens = case.sentences * (case.length + 1)

    def work() -> None:
        optimizer.zero_grad()
        with compute.autocast():
            loss = cross_entropy(model(batch), model.decoder.output, batch.tgt_out, smoothing=0.1)
        scaler.scale(loss.smoothed / tokens).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()

    # A weight takes part in one multiplication and addition forward and two backward, for each token.
    recurrent = (tensor for name, tensor in model.encoder.named_parameters() if not name.startswith("embedding."))
    matrices = [model.decoder.output.weight, *recurrent]
    matrices += [*model.decoder.bottom.parameters(), *model.decoder.upper.parameters()]
    return work, tokens, 6.0 * tokens * sum(matrix.numel() for matrix in matrices if matrix.dim() == 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeat", type=int, default=9)
    options = parser.parse_args()
    cuda = Compute.pick(options.device, "fp32").device.type == "cuda"
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, device {options.device}\n")
    print("| model | precision | target tok/s | ms/update | GFLOP/s | GEMM GFLOP/s | share |")
    print("|---|---|---|---|---|---|---|")
    for case in cases():
        for precision in ("fp32", "bf16", "fp16") if cuda else ("fp32", "bf16"):
            compute = Compute.pick(options.device, precision)
            tune_process(compute)
            work, tokens, operations = update(case, compute)
            rate = gemm_rate(compute, options.repeat)
            seconds = median_seconds(work, compute.device, options.repeat)
            achieved = operations / seconds
            print(
                f"| {case.name} | {precision} | {tokens / seconds:.0f} | {seconds * 1e3:.0f} | {achieved / 1e9:.0f} | "
                f"{rate / 1e9:.0f} | {achieved / rate:.0%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
