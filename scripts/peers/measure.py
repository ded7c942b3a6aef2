"""Rates from the difference of a long and a short run, which cancels the time of starting and loading."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from peers.toolkit import Corpus, Toolkit, run_command


@dataclass(slots=True)
class Row:
    """A toolkit and its measurements.

    Attributes:
        toolkit: the toolkit.
        folder: for its files.
        training: seconds of each round.
    """

    toolkit: Toolkit
    folder: Path
    training: list[float] = field(default_factory=list)


def train_round(row: Row, corpus: Corpus, threads: int) -> None:
    """Trains on the short and on the long sample."""
    seconds = []
    for name, sample in (("short", corpus.short), ("long", corpus.long)):
        run = row.folder / f"{name}-{len(row.training)}" / "run"
        seconds.append(run_command(row.toolkit.train(sample, run), threads, run.parent / "train.log"))
    row.training.append(seconds[1] - seconds[0])


def rate(amount: float, seconds: Sequence[float]) -> float:
    """Amount a second, by the median of the rounds; NaN if they are not positive."""
    median = statistics.median(seconds)
    return amount / median if median > 0 else math.nan


def training_table(rows: Sequence[Row], ours: Sequence[Row], corpus: Corpus) -> str:
    """Target tokens a second of each toolkit, and how many times as fast ours is."""
    tokens = corpus.long.tokens - corpus.short.tokens
    lines = _head(["toolkit", "target tok/s", "lowest–highest", *(f"{row.toolkit.name} is × as fast" for row in ours)])
    for row in rows:
        speed = rate(tokens, row.training)
        extremes = [rate(tokens, [seconds]) for seconds in (max(row.training), min(row.training))]
        ratios = [_times(rate(tokens, our.training) / speed) for our in ours]
        lines.append(_line([row.toolkit.name, _whole(speed), "–".join(map(_whole, extremes)), *ratios]))
    return "\n".join(lines)


def _head(cells: list[str]) -> list[str]:
    return [_line(cells), "|" + "---|" * len(cells)]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _whole(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0f}"


def _times(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
