"""Rates from the difference of a long and a short run, which cancels the time of starting and loading."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from peers.toolkit import Corpus, Lengths, Toolkit, ToolkitError, run_command


@dataclass(slots=True)
class Decoded:
    """Measurements of decoding."""

    seconds: list[float] = field(default_factory=list)
    """One difference for each round."""
    sentences: int = 0
    tokens: int = 0
    mean_length: float = math.nan
    """Over all sentences of the long run."""


@dataclass(slots=True)
class Row:
    """A toolkit and its measurements.

    Attributes:
        toolkit: the toolkit.
        folder: for its files.
        training: seconds of each round.
        decoding: by kind of outputs, free or of equal length.
        failure: why it is left out from here on.
    """

    toolkit: Toolkit
    folder: Path
    training: list[float] = field(default_factory=list)
    decoding: dict[str, Decoded] = field(default_factory=dict)
    failure: str = ""


def train_round(row: Row, corpus: Corpus, threads: int) -> None:
    """Trains on the short and on the long sample; the long run's model is kept for decoding."""
    seconds = []
    for name, sample in (("short", corpus.short), ("long", corpus.long)):
        run = row.folder / f"{name}-{len(row.training)}" / "run"
        seconds.append(run_command(row.toolkit.train(sample, run), threads, run.parent / "train.log"))
    row.training.append(seconds[1] - seconds[0])


def decode_round(row: Row, model: Path, kind: str, lengths: Lengths, corpus: Corpus, threads: int) -> None:
    """Translates few and many sentences.

    Raises:
        ToolkitError: the number of translations is wrong, or one is too long or too short.
    """
    seconds, lengths_of = [], {}
    for name, sources in (("few", corpus.few), ("many", corpus.many)):
        output = row.folder / f"{kind}-{name}.out"
        command = row.toolkit.decode(model, sources, lengths, output)
        seconds.append(run_command(command, threads, row.folder / f"{kind}-{name}.log"))
        tokens = lengths_of[name] = [len(pieces) for pieces in row.toolkit.outputs(output)]
        if len(tokens) != sources.count:
            raise ToolkitError(f"{len(tokens)} translations of {sources.count} sentences in {output}")
        if not all(lengths.least <= length <= lengths.most for length in tokens):
            raise ToolkitError(f"outputs of {min(tokens)} to {max(tokens)} tokens in {output}, asked for {lengths}")
    decoded = row.decoding.setdefault(kind, Decoded())
    decoded.seconds.append(seconds[1] - seconds[0])
    decoded.sentences = corpus.many.count - corpus.few.count
    decoded.tokens = sum(lengths_of["many"]) - sum(lengths_of["few"])
    decoded.mean_length = statistics.mean(lengths_of["many"])


def rate(amount: float, seconds: Sequence[float]) -> float:
    """Amount a second, by the median of the rounds; NaN if nothing could be measured."""
    median = statistics.median(seconds) if seconds else 0.0
    return amount / median if median > 0 and amount > 0 else math.nan


def training_table(rows: Sequence[Row], ours: Sequence[Row], corpus: Corpus) -> str:
    """Target tokens a second of each toolkit, and how many times as fast ours is."""
    tokens = corpus.long.tokens - corpus.short.tokens
    lines = _head(["toolkit", "target tok/s", "lowest–highest", *(f"{row.toolkit.name} is × as fast" for row in ours)])
    for row in rows:
        if row.training:
            speed = rate(tokens, row.training)
            extremes = [rate(tokens, [seconds]) for seconds in (max(row.training), min(row.training))]
            ratios = [_times(rate(tokens, our.training) / speed) for our in ours]
            lines.append(_line([row.toolkit.name, _whole(speed), "–".join(map(_whole, extremes)), *ratios]))
    return "\n".join(lines)


def decoding_table(rows: Sequence[Row], ours: Sequence[Row], kind: str) -> str:
    """Sentences and tokens a second of each toolkit; ratios as sentences / tokens."""
    ratios = [f"{row.toolkit.name} is × as fast (sentences / tokens)" for row in ours]
    lines = _head(["toolkit", "mean output length", "sentences/s", "output tok/s", *ratios])
    for row in rows:
        if kind in row.decoding:
            speeds = _speeds(row.decoding[kind])
            cells = [row.toolkit.name, f"{row.decoding[kind].mean_length:.1f}", *map(_whole, speeds)]
            for our in ours:
                our_speeds = _speeds(our.decoding[kind]) if kind in our.decoding else (math.nan, math.nan)
                cells.append(" / ".join(_times(a / b) for a, b in zip(our_speeds, speeds, strict=True)))
            lines.append(_line(cells))
    return "\n".join(lines)


def _speeds(decoded: Decoded) -> tuple[float, float]:
    return rate(decoded.sentences, decoded.seconds), rate(decoded.tokens, decoded.seconds)


def _head(cells: list[str]) -> list[str]:
    return [_line(cells), "|" + "---|" * len(cells)]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _whole(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.0f}"


def _times(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
