"""How long can a recurrent cell remember? Two tasks with a growing lag, the same protocol for every cell.

recall: the first of N + 1 symbols is one of 8 and must be predicted after the last; the N symbols in between are random
distractors, so the lag is exactly N. Distractors are 8 other symbols, so a gate can learn to ignore them. Score:
accuracy; solved at 99.5 %.

adding (after Hochreiter & Schmidhuber 1997, §5.4): two of N random values in [0, 1] are marked, both in the first half,
and their sum must be predicted after the last, so the lag is at least N/2. Score: mean squared error, 1/6 for always
predicting 1; solved at 0.01.

Every cell is one layer with the same number of hidden units, trained by Adam with gradients clipped to norm 1, on new
random sequences at every update and test. An experiment ends when three tests in a row are passed or the updates are
used up; in the latter case it starts again with the next learning rate. A cell that failed at one lag is not tried at
longer ones, and lags beyond --repeat-to, which take minutes, are tried with the first seed only.
Gate biases start at the scale of the lag (chrono initialisation, Tallec & Ollivier 2018, §2), except those of
"lstm-bias-1", whose forget bias is 1 as in the recipes.

Prints a Markdown table for each task; writes figure.svg.

    .venv/bin/python scripts/long_lag.py [--tasks recall] [--cells lstm rnn] [--lags 10 100]
"""

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, one_hot
from tqdm import tqdm

from seq2seq.config import CellKind, ModelConfig
from seq2seq.device import DeviceSpec, tune_process
from seq2seq.model.build import build_cell

CELLS: dict[str, CellKind] = {"rnn": "rnn", "lstm-bias-1": "lstm", "lstm": "lstm", "gru": "gru", "peephole": "peephole"}
"""Fastest first."""
TEST_EVERY = 25
TEST_SIZE = 128


def draw_recall(count: int, lag: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """One-hot sequences (B, lag + 1, 16) and the first symbol of each (B,)."""
    ids = torch.randint(8, (count, lag + 1), generator=generator)
    ids[:, 1:] += 8
    return one_hot(ids, 16).float(), ids[:, 0]


def draw_adding(count: int, lag: int, generator: Generator) -> tuple[Tensor, Tensor]:
    """Values and their marks, 1 or 0, (B, lag, 2) and the sum of the two marked values (B,)."""
    values, marks = torch.rand(count, lag, generator=generator), torch.zeros(count, lag)
    # Indices of the two largest of random numbers: two different steps, all pairs equally likely.
    marks.scatter_(1, torch.rand(count, lag // 2, generator=generator).topk(2).indices, 1.0)
    return torch.stack([values, marks], dim=2), (values * marks).sum(1)


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.argmax(1) == targets).float().mean()


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    return mse_loss(outputs.squeeze(1), targets)


@dataclass(frozen=True, slots=True)
class Task:
    """Sequences (B, T, inputs) with one target each, which outputs (B, outputs) should predict.

    Solved if the score is within ``tolerance`` of ``perfect``; ``guess`` is the score of the best constant output.
    """

    inputs: int
    outputs: int
    draw: Callable[[int, int, Generator], tuple[Tensor, Tensor]]
    loss: Callable[[Tensor, Tensor], Tensor]
    score: Callable[[Tensor, Tensor], Tensor]
    measure: str
    perfect: float
    tolerance: float
    guess: float
    show: Callable[[float], str]


TASKS = {
    "recall": Task(16, 8, draw_recall, cross_entropy, accuracy, "accuracy", 1, 0.005, 1 / 8, "{:.1%}".format),
    "adding": Task(2, 1, draw_adding, squared_error, squared_error, "squared error", 0, 0.01, 1 / 6, "{:.4f}".format),
}


@dataclass(frozen=True, slots=True)
class Result:
    """Result at one lag; ``score`` is None if it was not tried, ``solved`` is None if it failed."""

    lag: int
    score: float | None = None
    """On 1024 fresh sequences after training."""
    solved: int | None = None
    """Updates until the third of three passed tests in a row."""
    rate: float = 0.0
    seconds: float = 0.0


Rows = dict[tuple[str, str, int], list[Result]]
"""Results of each cell, task and seed, shortest lag first."""


class Reader(nn.Module):
    """A cell and a linear layer that reads its last output: (B, T, inputs) to (B, outputs)."""

    def __init__(self, cell: str, width: int, task: Task, lag: int) -> None:
        super().__init__()
        kind = CELLS[cell]
        self.cell = build_cell(kind, task.inputs, width, ModelConfig())
        self.cell.initialise(forget_bias=1.0)
        if cell not in ("rnn", "lstm-bias-1"):
            self._chrono(kind, lag)
        self.output = nn.Linear(width, task.outputs)

    @torch.no_grad()
    def _chrono(self, kind: CellKind, lag: int) -> None:
        """A unit whose forget gate is σ(b) remembers about e^b steps, so b = log U[1, lag]."""
        bias = self.cell.get_parameter("bias" if kind == "peephole" else "kernel.bias_ih_l0")
        gates = bias.chunk(3 if kind == "gru" else 4)
        gates[1].uniform_(1, lag).log_()
        if kind != "gru":  # its update gate is both forget gate and 1 - input gate
            gates[0].copy_(-gates[1])

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (B, outputs) after the last step."""
        outputs: Tensor = self.output(self.cell(inputs)[0][:, -1])
        return outputs


@torch.no_grad()
def check(model: Reader, task: Task, lag: int, generator: Generator, batches: int) -> float:
    """Score on fresh sequences, 128 in each batch."""
    scores = []
    for _ in range(batches):
        inputs, targets = task.draw(TEST_SIZE, lag, generator)
        scores.append(task.score(model(inputs), targets).item())
    return sum(scores) / batches


def train(
    options: argparse.Namespace, cell: str, task: Task, seed: int, lag: int, rate: float
) -> tuple[float, int | None]:
    """Score of a cell on 1024 fresh sequences after training, and the updates it took to solve the task."""
    generator = Generator().manual_seed(seed)
    torch.manual_seed(seed)
    model = Reader(cell, options.width, task, lag)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    update = passed = 0
    while update < options.updates and passed < 3:
        inputs, targets = task.draw(options.batch, lag, generator)
        optimizer.zero_grad()
        task.loss(model(inputs), targets).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        update += 1
        if update % TEST_EVERY == 0:
            score = check(model, task, lag, generator, batches=1)
            passed = passed + 1 if abs(score - task.perfect) <= task.tolerance else 0
    return check(model, task, lag, generator, batches=8), update if passed == 3 else None


def attempt(options: argparse.Namespace, cell: str, name: str, seed: int, lag: int) -> Result:
    """One learning rate after the other until the task is solved; the best score if none does it."""
    started, task, best = time.perf_counter(), TASKS[name], Result(lag)
    for rate in options.rates:
        score, solved = train(options, cell, task, seed, lag, rate)
        if solved or best.score is None or abs(score - task.perfect) < abs(best.score - task.perfect):
            best = replace(best, score=score, solved=solved, rate=rate)
        if solved:
            break
    return replace(best, seconds=time.perf_counter() - started)


def prepare_worker() -> None:
    """Matrices are small, so one thread for each experiment and one experiment for each core is fastest."""
    torch.set_num_threads(1)
    tune_process(DeviceSpec.pick("cpu", "fp32"))


def run(options: argparse.Namespace) -> Rows:
    """All experiments, several in parallel, but the lags of one cell one after the other, shortest first."""
    # The slowest start first, so that no core is busy alone at the end.
    keys = list(product(reversed(options.cells), options.tasks, range(options.seeds)))
    spawn = multiprocessing.get_context("spawn")  # a forked torch may hang
    with (
        tqdm(total=len(keys) * len(options.lags), desc="experiments", disable=None) as bar,
        ProcessPoolExecutor(options.workers, spawn, prepare_worker) as pool,
        ThreadPoolExecutor(options.workers) as threads,
    ):

        def climb(key: tuple[str, str, int]) -> list[Result]:
            row: list[Result] = []
            for lag in options.lags:
                repeats = key[2] == 0 or lag <= options.repeat_to
                tries = repeats and all(result.solved is not None for result in row)
                row.append(pool.submit(attempt, options, *key, lag).result() if tries else Result(lag))
                bar.update()
            return row

        return dict(zip(keys, threads.map(climb, keys), strict=True))


def entry(result: Result, task: Task, first_rate: float) -> str:
    """A result as a table entry."""
    if result.score is None:
        return "not tried"
    if result.solved is None:
        return f"{task.show(result.score)}, failed"
    slower = "" if result.rate == first_rate else f" at rate {result.rate:g}"
    return f"**{task.show(result.score)}**, {result.solved}{slower}"


def print_tables(rows: Rows, options: argparse.Namespace) -> None:
    for name in options.tasks:
        task = TASKS[name]
        print(f"\n{name}: {task.measure} (guessing: {task.show(task.guess)}), updates until solved\n")
        print(f"| cell | seed | {' | '.join(f'N = {lag}' for lag in options.lags)} | seconds |")
        print("|---|---|" + "---|" * (len(options.lags) + 1))
        for cell, seed in product(options.cells, range(options.seeds)):
            row = rows[cell, name, seed]
            entries = " | ".join(entry(result, task, options.rates[0]) for result in row)
            print(f"| {cell} | {seed} | {entries} | {sum(result.seconds for result in row):.0f} |")


def draw_figure(rows: Rows, options: argparse.Namespace, path: Path) -> None:
    """For each task the score over the lag and, below, the updates until solved."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(options.tasks), 6.5), layout="constrained")
    axes = figure.subplots(2, len(options.tasks), sharex=True, squeeze=False)
    for (above, below), name in zip(axes.T, options.tasks, strict=True):
        task = TASKS[name]
        above.set(title=name, ylabel=task.measure, xscale="log", yscale="linear" if task.perfect else "log")
        below.set(xlabel="lag N", ylabel="updates until solved", ylim=(0, options.updates * 1.05))
        above.axhline(task.guess, color="grey", linestyle=":", label="guessing")
        for cell, seed in product(options.cells, range(options.seeds)):
            tried = [result for result in rows[cell, name, seed] if result.score is not None]
            solved = [result for result in tried if result.solved]
            index = list(CELLS).index(cell)
            look = {"color": f"C{index}", "marker": "osD^v"[index], "label": "" if seed else cell}
            above.plot([result.lag for result in tried], [result.score for result in tried], **look)
            below.plot([result.lag for result in solved], [result.solved for result in solved], **look)
        above.legend()
    figure.savefig(path, metadata={"Date": None})  # so that equal results give equal files


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    about, _, details = __doc__.partition("\n")
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=about, epilog=details, formatter_class=shape)
    add = parser.add_argument
    add("--tasks", nargs="+", choices=TASKS, default=list(TASKS), help="default: all")
    add("--cells", nargs="+", choices=CELLS, default=list(CELLS), help="default: all")
    add("--lags", nargs="+", type=int, default=[10, 30, 100, 300, 1000], help="N, 4 or more; default: %(default)s")
    add("--seeds", type=int, default=3, help="repetitions; default: %(default)s")
    add("--repeat-to", type=int, default=100, metavar="N", help="longest lag that is repeated; default: %(default)s")
    add("--width", type=int, default=32, help="hidden units; default: %(default)s")
    add("--batch", type=int, default=32, help="sequences in an update; default: %(default)s")
    add("--updates", type=int, default=1000, help="at most, for each learning rate; default: %(default)s")
    add("--rates", nargs="+", type=float, default=[0.01, 0.003, 0.001], help="learning rates; default: %(default)s")
    add("--workers", type=int, default=os.cpu_count(), help="experiments at a time; default: one for each core")
    add("--out", type=Path, default=Path("runs/long-lag"), help="folder for the figure; default: %(default)s")
    options = parser.parse_args(arguments)
    if min(options.lags) < 4:
        parser.error(f"argument --lags: {min(options.lags)} leaves no room for two marks, use 4 or more")
    options.lags.sort()
    options.cells = [cell for cell in CELLS if cell in options.cells]
    return options


def main() -> None:
    options, started = parse(), time.perf_counter()
    rows = run(options)
    print(f"torch {torch.__version__}, {options.workers} experiments at a time, {options.width} hidden units")
    print_tables(rows, options)
    options.out.mkdir(parents=True, exist_ok=True)
    draw_figure(rows, options, options.out / "figure.svg")
    print(f"\n{time.perf_counter() - started:.0f} s in all; figure: {options.out}/figure.svg")


if __name__ == "__main__":
    main()
