"""How far a training has come, read from its run folder, during training or afterwards. Imports no torch."""

import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from signal import Signals

from seq2seq.config import Config, TrainingConfig
from seq2seq.files.lock import is_locked
from seq2seq.metrics.names import JUDGES, judge_of, shown_score
from seq2seq.reports.text_plot import axis, plot
from seq2seq.runs.history import Entry, read_log
from seq2seq.runs.layout import read_config
from seq2seq.training.schedule import in_words, is_finished, minutes_left, progress

# A training is taken for dead after this many times the longest time between two entries, plus some seconds.
_SILENCES, _GRACE = 3, 60
# The same where there is only one entry.
_SLOW_START = 600
_CURVES = {"training loss": ("training", "loss"), "validation perplexity": ("validation", "perplexity")}


def status(run: str | Path, *, width: int = 80, height: int = 24) -> str:
    """How far a training has come, in words and curves.

    Args:
        run: its folder.
        width: of the terminal, in characters.
        height: of the terminal, in lines.

    Raises:
        RunError: the folder is no run.
    """
    folder = Path(run)
    config = read_config(folder)
    entries = read_log(folder)
    if not entries:
        return f"{folder}: nothing is logged yet"
    training = [entry for entry in entries if entry.kind == "training"]
    lines = [
        f"{folder}: {_activity(entries, config.training, is_locked(folder))}",
        f"  done   {_done(entries, config)}",
    ]
    if best := [entry for entry in entries if entry.kind == "validation" and entry.numbers.get("best")]:
        numbers = best[-1].numbers
        judge = judge_of(numbers) or "exact_match"
        scores = f"perplexity {numbers['perplexity']:.2f}, {shown_score(judge, numbers[judge])}"
        lines.append(f"  best   {scores}, at update {best[-1].position.updates:,}")
    if training and (numbers := training[-1].numbers):
        loss = f"loss {numbers['loss']:.3f}" if "loss" in numbers else "every update skipped"
        lines.append(
            f"  now    {loss}, {numbers['tokens_per_second']:,.0f} tokens/s, "
            f"learning rate {numbers['learning_rate']:.3g}, updates skipped: {numbers['skipped']}"
        )
    return "\n".join([*lines, *_curves(entries, width, height - len(lines))])


def _activity(entries: Sequence[Entry], config: TrainingConfig, locked: bool | None) -> str:
    """Finished, running, stopped or dead; where the lock tells nothing, judged by the age of the last entry."""
    silence = max(0.0, time.time() - entries[-1].time)
    ago = f"last entry {in_words(silence / 60)} ago"
    if _finished(entries, config):
        return f"finished, {ago}"
    if locked:
        return f"running, {ago}"
    if entries[-1].kind == "stop":
        names = {number.value: number.name for number in Signals}
        return f"stopped by {names.get(entries[-1].numbers['signal'], 'a signal')}, {ago}"
    if locked is False:
        return f"not running, {ago}"
    waits = [later.time - earlier.time for earlier, later in pairwise(_session(entries))]
    longest = _SILENCES * max(waits) + _GRACE if waits else _SLOW_START
    return f"seems to be running, {ago}" if silence <= longest else f"not running, it seems: {ago}"


def _finished(entries: Sequence[Entry], config: TrainingConfig) -> bool:
    validations = [bool(entry.numbers.get("best")) for entry in entries if entry.kind == "validation"]
    stale = next((count for count, best in enumerate(reversed(validations)) if best), len(validations))
    return is_finished(entries[-1].position, stale, config)


def _done(entries: Sequence[Entry], config: Config) -> str:
    position = entries[-1].position
    line = f"{position.updates:,} updates, {position.epochs:.1f} epochs, {position.minutes:.1f} minutes"
    if done := progress(position, config.training):
        line = f"{done:.0%}: {line}"
    left = minutes_left(_session(entries)[0].position, position, config.training)
    if left and not _finished(entries, config.training):
        line += f"; about {in_words(left)} left"
    return line


def _session(entries: Sequence[Entry]) -> Sequence[Entry]:
    """The entries since training was last started."""
    starts = [number for number, entry in enumerate(entries) if entry.kind == "start"]
    return entries[starts[-1] :] if starts else entries


def _curves(entries: Sequence[Entry], width: int, height: int) -> list[str]:
    """The curves that have data, over the same updates, in ``height`` lines."""
    validations = [entry for entry in entries if entry.kind == "validation"]
    judge = judge_of(validations[-1].numbers) if validations else None
    curves = _CURVES | ({f"validation {JUDGES[judge]}": ("validation", judge)} if judge else {})
    series = {
        title: [
            (entry.position.updates, entry.numbers[name])
            for entry in entries
            if entry.kind == kind and name in entry.numbers
        ]
        for title, (kind, name) in curves.items()
    }
    shown = {title: points for title, points in series.items() if points}
    # Each curve has a title; the last two lines are the axis and the prompt.
    rows = min(8, max(2, (height - 2) // max(len(shown), 1) - 1))
    last = max(entry.position.updates for entry in entries)  # a resumed training repeats some
    lines = [
        line
        for title, points in shown.items()
        for line in plot(title, points, last=last, width=width, height=rows, logarithmic=title.endswith("perplexity"))
    ]
    return [*lines, axis(f"{last:,} updates", width)] if lines else []
